//! Everything a database holds, as lines of JSON: what `mer export --all` writes and `mer import` reads. The way between
//! databases, and between versions of the embedded engine.
//!
//! The first line names format and version, the last one tells how many there are, so that half an export is known as
//! such. Each line between them has a `kind`; the registry comes before what names it, and a version of weights before its
//! bytes. Neither way holds more in memory than the registry, a few mebibytes of weights and a few thousand accesses, nor the
//! embedded database for longer than a second.

mod export;
mod import;
mod line;
mod lines;
mod moves;
mod weights_in;
mod weights_out;

pub(crate) use export::export;
pub(crate) use import::import;

/// How many accesses are read or written at once. An engine without optimisation takes milliseconds for each, and is not
/// to be held for longer either.
const BATCH: usize = if cfg!(debug_assertions) { 100 } else { 1000 };

/// How many bytes of lines are kept while the database is not asked.
const BUFFER: usize = 4 << 20;
