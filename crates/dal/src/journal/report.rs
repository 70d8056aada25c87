//! What a drain is to do, and what it did.

use std::path::PathBuf;

use crate::{DalError, Session};

/// What a drain takes in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrainOptions {
    /// Also what was made for this database at these addresses, because it has moved from there.
    pub from: Vec<String>,
    /// Only what was surely made for this database at this place, which older segments do not say.
    pub only_from_here: bool,
}

/// What a drain did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrainReport {
    /// Records handed to the database.
    pub recorded: usize,
    /// Runs closed as `lost`.
    pub lost: usize,
    /// Lines that could not be read; they are in `corrupt.jsonl`.
    pub corrupt: usize,
    /// Accesses that the database did not take as they are; they are in `refused.jsonl`.
    pub refused: usize,
    /// Segments that were done with, and removed.
    pub segments: usize,
    /// Segments that could not be read, and were left where they are.
    pub skipped: Vec<Skipped>,
    /// What waits for this database as it was at another place, one entry an address.
    pub elsewhere: Vec<Elsewhere>,
}

/// Something in the journal's folder that could not be drained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

/// Segments of a database that has the same uid as this one and was at another place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// Where it was.
    pub address: String,
    /// How many segments have something that is not recorded.
    pub segments: usize,
}

/// A session after draining as far as that was possible.
#[derive(Debug)]
pub struct Drained {
    /// As good as before, also where draining failed.
    pub session: Session,
    /// What was done.
    pub report: DrainReport,
    /// What put an end to it before all was done. The rest waits in the journal.
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
