//! Which accesses a list of the log shows, and where its next page begins.

use jiff::Timestamp;
use mer_core::{AccessKind, AttemptKey};
use uuid::Uuid;

/// Selects accesses of the log; they are listed newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessFilter {
    /// Maximum number of rows.
    pub limit: usize,
    /// Only accesses of this model.
    pub model: Option<String>,
    /// Only runs with this version of the model's weights, and the training that made it. Ignored without a model.
    pub version: Option<u64>,
    /// Only accesses of this batch.
    pub batch: Option<Uuid>,
    /// Only accesses that began at this time or later.
    pub since: Option<Timestamp>,
    /// Only accesses of these kinds; an empty list selects every kind.
    pub kinds: Vec<AccessKind>,
}

impl Default for AccessFilter {
    fn default() -> Self {
        Self { limit: 50, model: None, version: None, batch: None, since: None, kinds: Vec::new() }
    }
}

/// The last access of the pages read so far. Accesses that are recorded meanwhile do not move the next page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Start of that access, to the microsecond.
    pub(crate) start: Timestamp,
    pub(crate) key: AttemptKey,
    /// Number of accesses on the pages so far that began at `start`; they are the last ones.
    pub(crate) ties: usize,
}
