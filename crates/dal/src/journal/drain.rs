//! Moving the journal into the database.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use mer_core::{Access, AttemptKey, Status};

use super::{
    DrainOptions, DrainReport, Drained, JournalError,
    files::{self, CORRUPT, DRAIN_LOCK, DRAINED, NEW, SEGMENT},
    format::Unreadable,
    quarantine,
    record::{SUSPICIOUS, record, record_less},
    scan::{Line, Scan},
    segment_owner::{DrainTarget, SegmentOwner},
};
use crate::{DalError, Database, Session, embedded::try_lock};

/// How many accesses are recorded at once, and how many bytes of text they may have.
const BATCH: usize = 1000;
const BATCH_BYTES: usize = 4 << 20;

/// A half-made segment that is older belongs to nobody.
const STALE: Duration = Duration::from_secs(3600);

/// All that is known of a run whose end is not in the journal: `mer` may have been killed, or its disk may have failed.
const NO_END: &str = "no end of this run was recorded: `mer` was killed, or could not write it down";

/// Moves what waits in the journal of a database into it. Opens a session only where something waits.
///
/// # Errors
/// Those of sessions and of recording, and [`DalError::Journal`]. What was not recorded stays in the journal.
pub async fn drain(database: &Database) -> Result<DrainReport, DalError> {
    if !anything_waits(&database.journal_dir())? {
        return Ok(DrainReport::default());
    }
    let (session, report) = database.session().await?.drain().await?;
    session.close().await?;
    Ok(report)
}

/// As [`drain`], in a session that is open already; it may be another one afterwards.
///
/// # Errors
/// There is no session any more.
pub(crate) async fn drain_session(session: Session, options: DrainOptions) -> Result<Drained, DalError> {
    let mut drain = Drain::new(session);
    let stopped = drain.all(options).await.err();
    match drain.finish() {
        Ok((session, report)) => Ok(Drained { session, report, stopped }),
        Err(gone) => Err(stopped.unwrap_or(gone)),
    }
}

pub(super) struct Drain {
    /// Gone only after opening it again has failed.
    session: Option<Session>,
    report: DrainReport,
    batch: Vec<Access>,
    bytes: usize,
}

impl Drain {
    pub(super) fn new(session: Session) -> Self {
        Self { session: Some(session), report: DrainReport::default(), batch: Vec::new(), bytes: 0 }
    }

    /// The session, which may be another one by now.
    pub(super) fn finish(self) -> Result<(Session, DrainReport), DalError> {
        let session = self.session.ok_or(DalError::Gone { operation: "drain the journal" })?;
        Ok((session, self.report))
    }

    fn session(&self) -> Result<&Session, DalError> {
        self.session.as_ref().ok_or(DalError::Gone { operation: "drain the journal" })
    }

    /// Drains every segment of the folder that is this database's. Those that cannot be read do not matter to the others.
    async fn all(&mut self, options: DrainOptions) -> Result<(), DalError> {
        let dir = self.session()?.database().journal_dir();
        let paths = segments(&dir)?;
        if paths.is_empty() {
            return Ok(());
        }
        let target = DrainTarget::of(self.session()?, options).await?;
        // Two drains at once would only repeat each other. On an embedded database the lease has seen to that already.
        let lock = drain_lock(&dir)?;
        if !try_lock(&lock).map_err(|source| JournalError::Read { path: dir.join(DRAIN_LOCK), source })? {
            return Ok(());
        }
        remove_leftovers(&dir);
        let mut suspected = Vec::new();
        for path in paths {
            match self.file(&target, path.clone()).await {
                Err(error) if error.may_be_a_value() => suspected.push((path, error)),
                drained => drained?,
            }
            if self.report.recorded == 0 && suspected.len() >= SUSPICIOUS {
                break;
            }
        }
        for (path, error) in suspected {
            // Others were taken: it is this one's fault. Otherwise it may be that nothing can be written.
            if self.report.recorded == 0 {
                return Err(error);
            }
            self.file(&target, path).await?;
        }
        Ok(())
    }

    /// Drains one segment, or notes why it cannot be drained.
    ///
    /// # Errors
    /// The database is not to be had.
    pub(super) async fn file(&mut self, target: &DrainTarget, path: PathBuf) -> Result<(), DalError> {
        let drained = match Scan::open(&path) {
            Ok(None) => return Ok(()),
            Ok(Some(scan)) => self.segment(target, scan).await,
            Err(error) => Err(error.into()),
        };
        match drained {
            Err(DalError::Journal { source }) => {
                // What has been read of it is read again by the next one.
                self.batch.clear();
                self.bytes = 0;
                self.report.skip(path, source.reason());
                Ok(())
            }
            drained => drained,
        }
    }

    async fn segment(&mut self, target: &DrainTarget, mut scan: Scan) -> Result<(), DalError> {
        let done = files::drained(&scan.path).max(scan.first);
        match &scan.header {
            Ok(header) => match target.owner(header) {
                SegmentOwner::ThisDatabase => {}
                SegmentOwner::OtherDatabase => return Ok(()),
                SegmentOwner::OtherLocation => {
                    if scan.orphaned || scan.length() > done {
                        self.report.leave(header.location.as_ref().map_or("", |there| there.address.as_str()));
                    }
                    return Ok(());
                }
            },
            Err(Unreadable::Newer(format)) => {
                self.report.skip(scan.path.clone(), format!("a newer MER wrote it, in format {format}"));
                return Ok(());
            }
            Err(Unreadable::Corrupt(reason)) => {
                if scan.orphaned {
                    let path = scan.path.display();
                    tracing::warn!(%path, reason, "a journal segment has no readable first line, and is kept aside");
                    let aside = scan.path.with_extension(CORRUPT);
                    fs::rename(&scan.path, aside).map_err(|source| scan.fail(source))?;
                    self.report.corrupt += 1;
                }
                return Ok(());
            }
        }
        // Of a segment without an owner everything is read again, for the starts whose end does not come.
        let from = if scan.orphaned { scan.first } else { done };
        scan.seek(from)?;
        let mut open: HashMap<AttemptKey, Access> = HashMap::new();
        loop {
            let at = scan.at();
            match scan.next()? {
                Line::Access(access) => {
                    if scan.orphaned {
                        if access.status == Status::Started {
                            open.insert(access.key(), (*access).clone());
                        } else {
                            open.remove(&access.key());
                        }
                    }
                    if at >= done {
                        self.add(*access, &scan).await?;
                    }
                }
                Line::Corrupt { bytes, reason } if at >= done => self.keep_aside(&scan, at, &bytes, &reason)?,
                Line::Corrupt { .. } => {}
                Line::End(rest) => {
                    if scan.orphaned && !rest.is_empty() {
                        self.keep_aside(&scan, at, &rest, "the line is not complete")?;
                    }
                    break;
                }
            }
        }
        if !scan.orphaned {
            return self.flush(&scan).await;
        }
        for access in open.into_values() {
            self.report.lost += 1;
            let error = Some(NO_END.to_owned());
            self.add(Access { status: Status::Lost, error, ..access }, &scan).await?;
        }
        self.flush(&scan).await?;
        fs::remove_file(&scan.path).map_err(|source| scan.fail(source))?;
        let _ = fs::remove_file(scan.path.with_extension(DRAINED));
        self.report.segments += 1;
        Ok(())
    }

    async fn add(&mut self, access: Access, scan: &Scan) -> Result<(), DalError> {
        self.bytes += access.stderr_tail.len() + access.error.as_ref().map_or(0, String::len);
        self.batch.push(access);
        if self.batch.len() >= BATCH || self.bytes >= BATCH_BYTES {
            self.flush(scan).await?;
        }
        Ok(())
    }

    /// Records what has been read, remembers the place, and lets others have the database when it is time.
    async fn flush(&mut self, scan: &Scan) -> Result<(), DalError> {
        if !self.batch.is_empty() {
            if self.session()?.should_yield()
                && let Some(session) = self.session.take()
            {
                self.session = Some(session.renew().await?);
            }
            let batch = std::mem::take(&mut self.batch);
            self.bytes = 0;
            let session = self.session()?;
            let refused = record(session, &batch, self.report.recorded > 0).await?;
            let count = refused.len();
            for (access, error) in refused {
                quarantine::refused(&scan.path, access, &error)?;
                record_less(session, access).await?;
            }
            let on_server = !session.database().settings().url.is_embedded();
            if let (Ok(header), true) = (&scan.header, on_server && !scan.orphaned) {
                let going_on = going_on(&batch);
                if !going_on.is_empty() {
                    match session.keep_alive(&header.host, &going_on).await {
                        // They are on record; that they go on is said again soon.
                        Err(error) if error.may_be_a_value() => {
                            tracing::debug!(
                                error = &error as &dyn std::error::Error,
                                "runs that go on are not said to"
                            );
                        }
                        said => said?,
                    }
                }
            }
            self.report.recorded += batch.len() - count;
            self.report.refused += count;
        }
        if scan.at() > files::drained(&scan.path).max(scan.first)
            && let Err(error) = files::set_drained(&scan.path, scan.at())
        {
            // Then it is recorded once more, which changes nothing.
            tracing::debug!(path = %scan.path.display(), %error, "how far a segment was recorded is not remembered");
        }
        Ok(())
    }

    fn keep_aside(&mut self, scan: &Scan, at: u64, line: &[u8], reason: &str) -> Result<(), JournalError> {
        quarantine::corrupt(&scan.path, at, line, reason)?;
        self.report.corrupt += 1;
        Ok(())
    }
}

/// The attempts that have a start among these records and no end.
fn going_on(batch: &[Access]) -> Vec<AttemptKey> {
    let mut open = HashSet::new();
    for access in batch {
        if access.status == Status::Started {
            open.insert(access.key());
        } else {
            open.remove(&access.key());
        }
    }
    open.into_iter().collect()
}

/// Whether a segment has lines that were not recorded, or no owner any more.
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

/// Removes what killed processes left: half-made segments, and files of segments that are gone.
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

impl From<JournalError> for DalError {
    fn from(source: JournalError) -> Self {
        Self::Journal { source }
    }
}
