//! Inputs of a batch: how they are cut into items, and what identifies an item.

mod csv_records;
mod entries;
mod file_list;
mod identities;
mod json_lines;
mod line_reader;
mod raw_item;
mod source;

pub(crate) use entries::{Entries, Entry};
pub(crate) use source::Source;

#[cfg(test)]
mod tests;
