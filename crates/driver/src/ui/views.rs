//! How an object appears in each format: a row of a table, or labels and values; its JSON is its `Serialize`.

use serde::Serialize;

/// An object that appears in lists.
pub(crate) trait TableRow: Serialize {
    /// Headings of the table's columns.
    const COLUMNS: &'static [&'static str];

    /// Returns one cell for each column.
    fn cells(&self) -> Vec<String>;
}

/// An object that is shown by itself.
pub(crate) trait Details: Serialize {
    /// Returns labels and values for people. A value of several lines is written below its label.
    fn fields(&self) -> Vec<(&'static str, String)>;
}
