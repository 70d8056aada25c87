//! A list of any length, written piece by piece.

use super::{
    format::Format,
    json, stdout,
    table::{Screen, Table},
    views::TableRow,
};
use crate::errors::CliError;

/// A list that is being written.
#[derive(Debug)]
pub(crate) struct List {
    format: Format,
    table: Table,
}

impl List {
    pub(super) const fn new(format: Format, screen: Screen) -> Self {
        Self { format, table: Table::new(screen) }
    }

    /// Writes the next rows. The columns of a table are as wide as the widest cell so far.
    ///
    /// # Errors
    /// As [`Ui::list`](super::Ui::list).
    pub(crate) fn add<T: TableRow>(&mut self, items: &[T]) -> Result<(), CliError> {
        match self.format {
            Format::Text => stdout::write_all(self.table.rows(items).as_bytes()),
            Format::Json => json::lines(items, stdout::write_all),
            Format::Quiet => Ok(()),
        }
    }
}
