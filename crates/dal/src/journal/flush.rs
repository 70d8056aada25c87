//! What a process does for its own journal while its runs go on: on a server other processes see the records at once.

use std::fs;

use super::{
    files::{self, DRAINED, SEGMENT},
    report::{DrainOptions, DrainReport},
    segment_drain::SegmentDrain,
    segment_owner::DrainTarget,
    writer::Journal,
};
use crate::{DalError, Database, embedded::try_lock};

/// Moves the records of this process's journal into the database. Unlike [`crate::drain`] it reads no segment of another
/// process and needs no lock.
///
/// # Errors
/// As [`crate::drain`].
pub async fn flush_journal(database: &Database, journal: &Journal) -> Result<DrainReport, DalError> {
    let waiting = |path: &std::path::PathBuf| fs::metadata(path).is_ok_and(|meta| meta.len() > files::drained(path));
    let paths: Vec<_> = journal.paths().into_iter().filter(waiting).collect();
    if paths.is_empty() {
        return Ok(DrainReport::default());
    }
    let session = database.session().await?;
    let target = DrainTarget::of(&session, DrainOptions::default()).await?;
    let mut drain = SegmentDrain::new(session);
    for path in paths {
        drain.file(&target, path).await?;
    }
    let (session, report) = drain.finish()?;
    session.close().await?;
    Ok(report)
}

/// Renews the heartbeat of this process's runs. Call it well within [`crate::HEARTBEAT_TTL`].
///
/// # Errors
/// As [`crate::Store::keep_alive`] and [`Database::session`].
pub async fn keep_alive(database: &Database, journal: &Journal) -> Result<(), DalError> {
    let open = journal.open();
    if open.is_empty() {
        return Ok(());
    }
    let session = database.session().await?;
    session.keep_alive(journal.host(), &open).await?;
    session.close().await
}

/// Returns whether processes that are gone have left segments. Each lock is released at once.
#[must_use]
pub fn has_orphaned_segments(database: &Database) -> bool {
    let segments = files::with_ending(&database.journal_dir(), SEGMENT).unwrap_or_default();
    segments.iter().any(|path| files::open_segment(path).is_ok_and(|file| try_lock(&file).unwrap_or(false)))
}

impl Journal {
    /// Removes the current segment if all of it is in the database and none of its runs goes on.
    pub fn tidy(&self) {
        let Some(path) = self.take_done(|segment| files::drained(&segment.path) >= segment.bytes) else { return };
        let _ = fs::remove_file(&path);
        let _ = fs::remove_file(path.with_extension(DRAINED));
    }
}
