//! The line that is being edited, for drawing it again: the line editor does that for a window that changes its size, and not
//! for a process that was stopped.

use std::sync::{Arc, Mutex, PoisonError};

/// What stands on the screen behind the cursor's line start, shared between the line editor and the REPL.
#[derive(Debug, Clone, Default)]
pub(super) struct EditedLine(Arc<Mutex<Shown>>);

#[derive(Debug, Default)]
struct Shown {
    prompt: String,
    line: String,
    cursor: usize,
}

impl EditedLine {
    /// Another prompt is shown, with nothing behind it.
    pub(super) fn begin(&self, prompt: &str) {
        *self.lock() = Shown { prompt: prompt.to_owned(), ..Shown::default() };
    }

    /// The line is this one now, with the cursor before this byte.
    pub(super) fn set(&self, line: &str, cursor: usize) {
        let mut shown = self.lock();
        line.clone_into(&mut shown.line);
        shown.cursor = cursor;
    }

    /// What draws prompt and line at the start of an empty line, with the cursor where it was.
    pub(super) fn drawn(&self) -> String {
        let Shown { prompt, line, cursor } = &*self.lock();
        let (before, behind) = line.split_at_checked(*cursor).unwrap_or((line, ""));
        let drawn = format!("\r\x1b[K{prompt}{before}\x1b7{behind}\x1b8");
        drawn.replace('\n', "\r\n")
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_comes_back_to_where_it_was() {
        let line = EditedLine::default();
        line.begin("mer> ");
        line.set("run m 1", 4);
        assert_eq!(line.drawn(), "\r\x1b[Kmer> run \x1b7m 1\x1b8");
        line.begin("mer> ");
        assert_eq!(line.drawn(), "\r\x1b[Kmer> \x1b7\x1b8");
    }
}
