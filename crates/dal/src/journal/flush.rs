//! What a process does for its own journal while its runs go on: on a server the record is to be seen at once.

use std::fs;

use super::{
    DrainOptions, DrainReport, Journal,
    drain::Drain,
    files::{self, DRAINED, SEGMENT},
    segment_owner::DrainTarget,
};
use crate::{DalError, Database, embedded::try_lock};

/// Moves what this process has written down into the database. Unlike [`super::drain`] it looks at no other process's
/// segment and needs no lock.
///
/// # Errors
/// As [`super::drain`].
pub async fn flush_journal(database: &Database, journal: &Journal) -> Result<DrainReport, DalError> {
    let waiting = |path: &std::path::PathBuf| fs::metadata(path).is_ok_and(|meta| meta.len() > files::drained(path));
    let paths: Vec<_> = journal.paths().into_iter().filter(waiting).collect();
    if paths.is_empty() {
        return Ok(DrainReport::default());
    }
    let session = database.session().await?;
    let target = DrainTarget::of(&session, DrainOptions::default()).await?;
    let mut drain = Drain::new(session);
    for path in paths {
        drain.file(&target, path).await?;
    }
    let (session, report) = drain.finish()?;
    session.close().await?;
    Ok(report)
}

/// Says in the database that the runs of this process go on. To be called well within [`crate::ALIVE`].
///
/// # Errors
/// As [`crate::Store::keep_alive`], and those of sessions.
pub async fn keep_alive(database: &Database, journal: &Journal) -> Result<(), DalError> {
    let open = journal.open();
    if open.is_empty() {
        return Ok(());
    }
    let session = database.session().await?;
    session.keep_alive(journal.host(), &open).await?;
    session.close().await
}

/// Whether processes that are gone have left segments behind. Takes no lock for longer than a look.
#[must_use]
pub fn has_orphaned_segments(database: &Database) -> bool {
    let segments = files::with_ending(&database.journal_dir(), SEGMENT).unwrap_or_default();
    segments.iter().any(|path| files::open_segment(path).is_ok_and(|file| try_lock(&file).unwrap_or(false)))
}

impl Journal {
    /// Removes the segment where all of it is in the database and no run is open.
    pub fn tidy(&self) {
        let Some(path) = self.take_done(|segment| files::drained(&segment.path) >= segment.bytes) else { return };
        let _ = fs::remove_file(&path);
        let _ = fs::remove_file(path.with_extension(DRAINED));
    }
}
