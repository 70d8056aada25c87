//! How an object appears in each format: a row of a table, or labels and values; its JSON is its `Serialize`.

use serde::Serialize;

/// An object that appears in lists.
pub(crate) trait TableRow: Serialize {
    /// Headings of the table's columns.
    const COLUMNS: &'static [&'static str];

    /// Headings of columns that are left out on a terminal where a row does not fit, in this order.
    const EXPENDABLE: &'static [&'static str] = &[];

    /// Returns one cell for each column.
    fn cells(&self) -> Vec<String>;

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
