//! Options and results of draining the journal.

use std::path::PathBuf;

use crate::{DalError, Session};

/// Selects the segments that a drain records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrainOptions {
    /// Also records segments that were written for this database at these addresses, because it has moved from there.
    pub from: Vec<String>,
    /// Records only segments that certainly were written for this database at its location; older segments do not name
    /// a location.
    pub only_from_here: bool,
    /// Waits, for a minute at most, while another process drains into an embedded database: its records are then there.
    pub waits: bool,
}

/// Result of a drain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrainReport {
    /// Number of records that the database took.
    pub recorded: usize,
    /// Number of runs recorded as `lost`.
    pub lost: usize,
    /// Number of lines that could not be read; they are in `corrupt.jsonl`.
    pub corrupt: usize,
    /// Number of accesses that the database refused; they are in `refused.jsonl`.
    pub refused: usize,
    /// Number of segments that were recorded whole and removed.
    pub segments: usize,
    /// Segments that could not be read and were left in place.
    pub skipped: Vec<Skipped>,
    /// Segments for this database at another location, one entry for each address.
    pub elsewhere: Vec<Elsewhere>,
}

/// A file in the journal's folder that was not drained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Path of the file.
    pub path: PathBuf,
    /// Reason.
    pub reason: String,
}

/// Segments of a database with the same uid at another location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// Address of that database.
    pub address: String,
    /// Number of segments with records that are not in the database.
    pub segments: usize,
}

/// A session after as much as possible was drained.
#[derive(Debug)]
pub struct Drained {
    /// The session, which can be used even if draining failed.
    pub session: Session,
    /// What was drained.
    pub report: DrainReport,
    /// Error that stopped the drain. The rest stays in the journal.
    pub stopped: Option<DalError>,
}

impl DrainReport {
    pub(super) fn skip(&mut self, path: PathBuf, reason: impl Into<String>) {
        self.skipped.push(Skipped { path, reason: reason.into() });
    }

    pub(super) fn leave(&mut self, address: &str) {
        match self.elsewhere.iter_mut().find(|known| known.address == address) {
            Some(known) => known.segments += 1,
            None => self.elsewhere.push(Elsewhere { address: address.to_owned(), segments: 1 }),
        }
    }
}
