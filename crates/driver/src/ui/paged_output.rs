//! Output that goes through the pager where it is taller than the terminal.

use super::{
    pager::{CHECK, Pager},
    stdout,
};
use crate::errors::CliError;

/// Rows and columns of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TerminalSize {
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// Output that comes piece by piece. It is held back until it is complete or taller than the terminal.
#[derive(Debug)]
pub(super) struct PagedOutput {
    /// The terminal; `None` where output is written as it comes.
    size: Option<TerminalSize>,
    /// What is held back.
    pending: String,
    /// Rows of the terminal that it takes.
    rows: usize,
    pager: Option<Pager>,
}

impl PagedOutput {
    /// Begins output that is paged if there is a terminal.
    pub(super) const fn begin(size: Option<TerminalSize>) -> Self {
        Self { size, pending: String::new(), rows: 0, pager: None }
    }

    /// Waits until there is no reader for more: a person has left the pager, or ended the output with Ctrl-C.
    ///
    /// # Errors
    /// As [`Pager::is_open`].
    pub(super) async fn unwanted(&mut self) -> Result<(), CliError> {
        match &mut self.pager {
            Some(pager) => {
                while pager.is_open()? {
                    tokio::time::sleep(CHECK).await;
                }
                Ok(())
            }
            None => std::future::pending().await,
        }
    }

    /// Writes the next lines.
    ///
    /// # Errors
    /// As [`stdout::write_all`]. A pager that was left is no error.
    pub(super) fn write(&mut self, text: &str) -> Result<(), CliError> {
        if let Some(pager) = &mut self.pager {
            return pager.write(text.as_bytes());
        }
        let Some(size) = self.size else { return stdout::write_all(text.as_bytes()) };
        self.pending.push_str(text);
        self.rows += text.lines().map(|line| rows_of(line, size.columns)).sum::<usize>();
        // The row of the prompt that follows takes one, too.
        if self.rows < size.rows {
            return Ok(());
        }
        self.size = None;
        let held_back = std::mem::take(&mut self.pending);
        match Pager::start() {
            None => stdout::write_all(held_back.as_bytes()),
            Some(pager) => self.pager.insert(pager).write(held_back.as_bytes()),
        }
    }

    /// Writes what is held back, or waits until the user has left the pager.
    ///
    /// # Errors
    /// As [`PagedOutput::write`].
    pub(super) fn finish(mut self) -> Result<(), CliError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), CliError> {
        if let Some(pager) = self.pager.take() {
            return pager.finish();
        }
        let held_back = std::mem::take(&mut self.pending);
        if held_back.is_empty() { Ok(()) } else { stdout::write_all(held_back.as_bytes()) }
    }
}

/// Shows what there is, where a command ends before its output does.
impl Drop for PagedOutput {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Rows of the terminal that a line takes. Escape sequences take no column.
fn rows_of(line: &str, columns: usize) -> usize {
    let (mut width, mut escaped) = (0_usize, false);
    for c in line.chars() {
        match (escaped, c) {
            (true, c) => escaped = !c.is_ascii_alphabetic(),
            (false, '\x1b') => escaped = true,
            (false, _) => width += 1,
        }
    }
    width.div_ceil(columns.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_takes_several_rows_and_colour_takes_none() {
        assert_eq!(["", "12345", "123456", "\x1b[1;31m12345\x1b[0m"].map(|line| rows_of(line, 5)), [1, 1, 2, 1]);
        assert_eq!(rows_of("x", 0), 1);
    }
}
