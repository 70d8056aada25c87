//! The line that is being edited, for drawing it again after the process was stopped and continued: rustyline redraws only
//! when the window changes its size.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Prompt, line and cursor, shared between the line editor and the REPL.
#[derive(Debug, Clone, Default)]
pub(super) struct EditedLine(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    prompt: String,
    line: String,
    /// Byte of the line that the cursor is before.
    cursor: usize,
}

impl EditedLine {
    /// Begins an empty line behind another prompt.
    pub(super) fn begin(&self, prompt: &str) {
        *self.lock() = State { prompt: prompt.to_owned(), ..State::default() };
    }

    /// Sets the line and the byte that the cursor is before.
    pub(super) fn set(&self, line: &str, cursor: usize) {
        let mut state = self.lock();
        line.clone_into(&mut state.line);
        state.cursor = cursor;
    }

    /// Returns the bytes that draw prompt and line in the cursor's row and put the cursor back.
    pub(super) fn render(&self) -> String {
        let State { prompt, line, cursor } = &*self.lock();
        let (before, behind) = line.split_at_checked(*cursor).unwrap_or((line, ""));
        let text = format!("\r\x1b[K{prompt}{before}\x1b7{behind}\x1b8");
        text.replace('\n', "\r\n")
    }

    fn lock(&self) -> MutexGuard<'_, State> {
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
        assert_eq!(line.render(), "\r\x1b[Kmer> run \x1b7m 1\x1b8");
        line.begin("mer> ");
        assert_eq!(line.render(), "\r\x1b[Kmer> \x1b7\x1b8");
    }
}
