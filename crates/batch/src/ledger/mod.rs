//! The ledger of a batch: which items are done, and where their results are.
//!
//! A file of a header of 4,096 bytes and a record of 60 bytes for each result, in the order of the results. The header holds
//! the manifest, and two slots that say in turn how many records were synced, and in which boot.

mod header;
mod index;
mod ledger_file;
mod manifest;
mod record;

pub(crate) use index::RecordIndex;
#[cfg(test)]
pub(crate) use ledger_file::set_synced;
pub(crate) use ledger_file::{Ledger, LedgerReader, Opened, boot_id};
pub(crate) use manifest::Manifest;
pub(crate) use record::{Key, Kind, RECORD_BYTES, Record};

#[cfg(test)]
mod tests;
