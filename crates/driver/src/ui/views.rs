//! How an object appears in each format: a row of a table, or labels and values; its JSON is its `Serialize`.

use serde::Serialize;
use uuid::Uuid;

use super::cell_format::CellFormat;

/// An object that appears in lists.
pub(crate) trait TableRow: Serialize {
    /// Headings of the table's columns. A unit at the end of a heading is that of cells which are no text for a person.
    const COLUMNS: &'static [&'static str];

    /// Headings of columns that are left out on a terminal where a row does not fit, in this order.
    const EXPENDABLE: &'static [&'static str] = &[];

    /// Returns one cell for each column.
    fn cells(&self, format: &CellFormat) -> Vec<String>;

    /// Returns the uid that a cell shows.
    fn uid(&self) -> Option<Uuid> {
        None
    }

    /// Returns whether it is about a failure, which a terminal shows in colour.
    fn is_failure(&self) -> bool {
        false
    }
}

/// An object that is shown by itself.
pub(crate) trait Details: Serialize {
    /// Returns labels and values for people. A value of several lines is written below its label.
    fn fields(&self) -> Vec<(&'static str, String)>;
}
