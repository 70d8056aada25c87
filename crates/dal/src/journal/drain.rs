//! Moving the journal into the database.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{
    JournalError,
    files::{self, DRAIN_LOCK, DRAINED, NEW, SEGMENT},
    record::SUSPICIOUS,
    report::{DrainOptions, DrainReport, Drained},
    segment_drain::SegmentDrain,
    segment_owner::DrainTarget,
};
use crate::{DalError, Database, Session, embedded::try_lock};

/// Age after which an unfinished segment counts as abandoned.
const STALE: Duration = Duration::from_secs(3600);
/// Bound on waiting for another drain.
const PATIENCE: Duration = Duration::from_secs(60);

/// Moves the journal of a database into it. Opens a session only if records wait.
///
/// # Errors
/// As [`Database::session`] and [`crate::Store::record`]; [`DalError::Journal`]. What was not recorded stays in the journal.
pub async fn drain(database: &Database) -> Result<DrainReport, DalError> {
    if !anything_waits(&database.journal_dir())? {
        return Ok(DrainReport::default());
    }
    let (session, report) = database.session().await?.drain().await?;
    session.close().await?;
    Ok(report)
}

impl Session {
    /// Moves the journal of the database into it, see [`drain`]. The session may be reopened on the way, so that other
    /// processes get the database in between.
    ///
    /// # Errors
    /// As [`drain`].
    pub async fn drain(self) -> Result<(Self, DrainReport), DalError> {
        let Drained { session, report, stopped } = self.drain_what_can_be(DrainOptions::default()).await?;
        match stopped {
            None => Ok((session, report)),
            Some(error) => {
                // This error matters more than one of closing.
                let _ = session.close().await;
                Err(error)
            }
        }
    }

    /// Drains like [`Session::drain`], but returns the session and the report also if an error stopped it.
    ///
    /// # Errors
    /// The session was closed on the way and cannot be reopened.
    pub async fn drain_what_can_be(self, options: DrainOptions) -> Result<Drained, DalError> {
        let mut drain = SegmentDrain::new(self);
        let stopped = drain_all(&mut drain, options).await.err();
        match drain.finish() {
            Ok((session, report)) => Ok(Drained { session, report, stopped }),
            Err(gone) => Err(stopped.unwrap_or(gone)),
        }
    }
}

/// Drains every segment of the folder that belongs to this database. A segment that cannot be read does not stop the others.
async fn drain_all(drain: &mut SegmentDrain, options: DrainOptions) -> Result<(), DalError> {
    let dir = drain.session()?.database().journal_dir();
    let paths = segments(&dir)?;
    if paths.is_empty() {
        return Ok(());
    }
    let waits = options.waits;
    let target = DrainTarget::of(drain.session()?, options).await?;
    // Two drains at once would only repeat each other.
    let lock = drain_lock(&dir)?;
    let is_first = || try_lock(&lock).map_err(|source| JournalError::Read { path: dir.join(DRAIN_LOCK), source });
    if !is_first()? {
        // The one of an embedded database goes on as soon as it gets that.
        if !waits
            || !drain.session()?.database().settings().url.is_embedded()
            || !drain.let_others(PATIENCE, is_first).await?
        {
            return Ok(());
        }
    }
    remove_leftovers(&dir);
    let mut suspected = Vec::new();
    // Others may have drained some meanwhile.
    for path in segments(&dir)? {
        match drain.file(&target, path.clone()).await {
            Err(error) if error.may_be_a_value() => suspected.push((path, error)),
            drained => drained?,
        }
        if drain.report.recorded == 0 && suspected.len() >= SUSPICIOUS {
            break;
        }
    }
    for (path, error) in suspected {
        // If other records were taken, the fault is in this segment. Otherwise perhaps nothing can be written.
        if drain.report.recorded == 0 {
            return Err(error);
        }
        drain.file(&target, path).await?;
    }
    Ok(())
}

/// Returns whether a segment has lines that were not recorded, or no owner any more.
fn anything_waits(dir: &Path) -> Result<bool, JournalError> {
    for path in segments(dir)? {
        let recorded = files::drained(&path);
        let Ok(file) = files::open_segment(&path) else { continue };
        if file.metadata().is_ok_and(|meta| meta.len() > recorded) || try_lock(&file).unwrap_or(false) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn segments(dir: &Path) -> Result<Vec<PathBuf>, JournalError> {
    files::with_ending(dir, SEGMENT).map_err(|source| JournalError::Read { path: dir.to_path_buf(), source })
}

fn drain_lock(dir: &Path) -> Result<File, JournalError> {
    let path = dir.join(DRAIN_LOCK);
    let file = mer_files::internal().write().create(0o600).open(&path);
    file.map_err(|source| JournalError::Read { path, source })
}

/// Removes what killed processes left: unfinished segments, and the progress of segments that are gone.
fn remove_leftovers(dir: &Path) {
    let is_stale = |path: &Path| {
        let modified = fs::metadata(path).and_then(|meta| meta.modified());
        modified.is_ok_and(|time| SystemTime::now().duration_since(time).is_ok_and(|age| age > STALE))
    };
    for path in files::with_ending(dir, NEW).unwrap_or_default() {
        if is_stale(&path) {
            let _ = fs::remove_file(path);
        }
    }
    for path in files::with_ending(dir, DRAINED).unwrap_or_default() {
        if !matches!(path.with_extension(SEGMENT).try_exists(), Ok(true) | Err(_)) {
            let _ = fs::remove_file(path);
        }
    }
}
