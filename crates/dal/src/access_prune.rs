//! Deletes old accesses, in small steps.

use jiff::Timestamp;

use crate::{
    DalError, Database, DbUrl, Store,
    backend::{AccessBackend as _, PruneStep},
    batch_session::BatchSession,
    store::ask,
};

/// Number of rows that one step deletes: as many as a transaction of the embedded engine holds with all their index entries.
const STEP: usize = 500;

/// Number of openings after which the embedded engine has merged its tables, and freed what the deleted rows took: each one
/// adds a table, and the engine (surrealkv 0.21.4) merges four.
const MERGED_AFTER: usize = 5;

/// Which accesses are deleted. An access that is not over stays, however old it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneRange {
    /// Accesses that began before this time.
    pub before: Timestamp,
    /// Number of newest accesses that stay, however old they are.
    pub keep: Option<u64>,
}

/// Accesses that were deleted, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Their number.
    pub rows: u64,
    /// Start of the first one.
    pub oldest: Option<Timestamp>,
    /// Start of the last one.
    pub newest: Option<Timestamp>,
}

impl Pruned {
    fn add(&mut self, starts: &[Timestamp]) {
        self.rows += starts.len() as u64;
        self.oldest = self.oldest.into_iter().chain(starts.iter().copied()).min();
        self.newest = self.newest.into_iter().chain(starts.iter().copied()).max();
    }
}

/// Deletes old accesses; with `dry_run` it only counts them. Each step is a transaction, so that what was deleted stays so
/// if this process is killed, and two processes may prune at once. `progress` learns what is deleted so far.
///
/// # Errors
/// As [`Database::session`] and [`Store::apply`]. [`DalError::Rights`] if the user may not delete accesses.
pub async fn prune(
    database: &Database,
    range: PruneRange,
    dry_run: bool,
    mut progress: impl FnMut(&Pruned),
) -> Result<Pruned, DalError> {
    let mut batches = BatchSession::new(database);
    let mut pruned = Pruned::default();
    let before = bound(batches.acquire().await?, range).await?;
    let mut step = PruneStep { before, from: None, seen: 0, limit: STEP, dry_run };
    loop {
        let session = batches.acquire().await?;
        let done = ask!(session, backend => backend.prune_step(&step))?;
        pruned.add(&done.deleted);
        progress(&pruned);
        match done.next {
            Some((from, seen)) => (step.from, step.seen) = (Some(from), seen),
            None => break,
        }
    }
    batches.close().await?;
    if !dry_run && pruned.rows > 0 && matches!(database.settings().url, DbUrl::Embedded(_)) {
        for _ in 0..MERGED_AFTER {
            database.session().await?.close().await?;
        }
    }
    Ok(pruned)
}

/// Returns the time before which accesses are deleted. Those that began at the same time as the last one to keep stay too.
async fn bound(store: &Store, range: PruneRange) -> Result<Timestamp, DalError> {
    let Some(keep) = range.keep else { return Ok(range.before) };
    let Some(last) = keep.checked_sub(1) else { return Ok(range.before) };
    let oldest_kept = ask!(store, backend => backend.start_of(last))?;
    // With fewer accesses than that, all of them stay.
    Ok(oldest_kept.map_or(Timestamp::MIN, |start| start.min(range.before)))
}
