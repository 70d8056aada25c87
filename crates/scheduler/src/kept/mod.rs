//! Processes that are kept for further requests.

mod selection;

pub use selection::Selection;
