//! A list of any length: what comes is written at once.

use super::{Format, Listed, Ui, json, put, quiet, text::Columns};
use crate::errors::CliError;

/// A list that is being written.
#[derive(Debug)]
pub(crate) struct Rows {
    ui: Ui,
    columns: Columns,
}

impl Rows {
    pub(super) const fn new(ui: Ui) -> Self {
        Self { ui, columns: Columns::new() }
    }

    /// The next rows. The columns of a table are as wide as the widest cell so far.
    ///
    /// # Errors
    /// As [`Ui::list`].
    pub(crate) fn add<T: Listed>(&mut self, items: &[T]) -> Result<(), CliError> {
        match self.ui.format {
            Format::Text => put(self.columns.rows(items, self.ui.colour_out()).as_bytes()),
            Format::Json => json::lines(items, put),
            Format::Quiet => quiet::told(),
        }
    }
}
