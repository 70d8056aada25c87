//! A list of any length, written piece by piece.

use super::{
    format::Format,
    json,
    paged_output::{PagedOutput, TerminalSize},
    stdout,
    table::{Screen, Table},
    views::TableRow,
};
use crate::errors::CliError;

/// A list that is being written.
#[derive(Debug)]
pub(crate) struct List {
    format: Format,
    table: Table,
    output: PagedOutput,
}

impl List {
    /// Begins a list, which is paged if there is a terminal.
    pub(super) const fn new(format: Format, screen: Screen, size: Option<TerminalSize>) -> Self {
        Self { format, table: Table::new(screen), output: PagedOutput::begin(size) }
    }

    /// Writes the next rows. The columns of a table are as wide as the widest cell so far.
    ///
    /// # Errors
    /// As [`Ui::list`](super::Ui::list).
    pub(crate) fn add<T: TableRow>(&mut self, items: &[T]) -> Result<(), CliError> {
        match self.format {
            Format::Text => self.output.write(&self.table.rows(items)),
            Format::Json => json::lines(items, stdout::write_all),
            Format::Quiet => Ok(()),
        }
    }

    /// Waits until there is no reader for more: a person has left the pager, or ended the output with Ctrl-C.
    ///
    /// # Errors
    /// SIGTERM or SIGHUP came while the pager was there.
    pub(crate) async fn unwanted(&mut self) -> Result<(), CliError> {
        self.output.unwanted().await
    }

    /// Ends the list, once a person has read it.
    ///
    /// # Errors
    /// As [`Ui::list`](super::Ui::list).
    pub(crate) fn finish(self) -> Result<(), CliError> {
        self.output.finish()
    }
}
