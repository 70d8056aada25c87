//! Moving the journal into the database.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use mer_core::{Access, AttemptKey, Status};
use uuid::Uuid;

use super::{
    JournalError,
    places::{self, CORRUPT, CORRUPT_LINES, DRAIN_LOCK, DRAINED, NEW, SEGMENT},
    scan::{Line, Scan},
};
use crate::{DalError, Database, Session, embedded::try_lock};

/// How many accesses are recorded at once, and how many bytes of text they may have.
const BATCH: usize = 1000;
const BATCH_BYTES: usize = 4 << 20;

/// A half-made segment that is older belongs to nobody.
const STALE: Duration = Duration::from_secs(3600);

/// What a drain did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DrainReport {
    /// Records handed to the database.
    pub recorded: usize,
    /// Runs closed as `lost`.
    pub lost: usize,
    /// Lines that could not be read; they are in `corrupt.jsonl`.
    pub corrupt: usize,
    /// Segments that were done with, and removed.
    pub segments: usize,
}

/// Moves what waits in the journal of a database into it. Opens a session only where something waits.
///
/// # Errors
/// Those of sessions and of recording, and [`DalError::Journal`]. What was not recorded stays in the journal.
pub async fn drain(database: &Database) -> Result<DrainReport, DalError> {
    if !anything_waits(&database.journal_dir())? {
        return Ok(DrainReport::default());
    }
    let (session, report) = drain_session(database.session().await?).await?;
    session.close().await?;
    Ok(report)
}

/// As [`drain`], in a session that is open already; it may be another one afterwards.
pub(crate) async fn drain_session(session: Session) -> Result<(Session, DrainReport), DalError> {
    let dir = session.database().journal_dir();
    if !anything_waits(&dir)? {
        return Ok((session, DrainReport::default()));
    }
    let database_uid = session.database_uid().await?;
    // Two drains at once would only repeat each other. On an embedded database the lease has seen to that already.
    let lock = drain_lock(&dir)?;
    if !try_lock(&lock).map_err(|source| JournalError::Read { path: dir.join(DRAIN_LOCK), source })? {
        return Ok((session, DrainReport::default()));
    }
    let mut drain = Drain::new(session);
    remove_leftovers(&dir);
    for path in segments(&dir)? {
        if let Some(scan) = Scan::open(&path)? {
            drain.segment(&dir, database_uid, scan).await?;
        }
    }
    drain.finish()
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

    /// Records one segment.
    pub(super) async fn segment(&mut self, dir: &Path, database_uid: Uuid, mut scan: Scan) -> Result<(), DalError> {
        match &scan.header {
            Ok(header) if header.database_uid == database_uid => {}
            Ok(_) => return Ok(()),
            Err(reason) => {
                if scan.orphaned {
                    let path = scan.path.display();
                    tracing::warn!(%path, reason, "a journal segment has no readable first line, and is kept aside");
                    let _ = fs::rename(&scan.path, scan.path.with_extension(CORRUPT));
                    self.report.corrupt += 1;
                }
                return Ok(());
            }
        }
        let done = places::drained(&scan.path).max(scan.first);
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
                Line::Corrupt { bytes, reason } if at >= done => self.keep_aside(dir, &scan, at, &bytes, &reason)?,
                Line::Corrupt { .. } => {}
                Line::End(rest) => {
                    if scan.orphaned && !rest.is_empty() {
                        self.keep_aside(dir, &scan, at, &rest, "the line is not complete")?;
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
            let error = Some("`mer` ended before this run did".to_owned());
            self.add(Access { status: Status::Lost, error, ..access }, &scan).await?;
        }
        self.flush(&scan).await?;
        let removed = fs::remove_file(&scan.path);
        let _ = fs::remove_file(scan.path.with_extension(DRAINED));
        removed.map_err(|source| JournalError::Read { path: scan.path.clone(), source })?;
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
            let Some(mut session) = self.session.take() else {
                return Err(DalError::Gone { operation: "drain the journal" });
            };
            if session.has_had_its_turn() {
                session = session.renew().await?;
            }
            session.record(&self.batch).await?;
            let on_server = !session.database().settings().url.is_embedded();
            if let (Ok(header), true) = (&scan.header, on_server && !scan.orphaned) {
                let going_on = going_on(&self.batch);
                if !going_on.is_empty() {
                    session.keep_alive(&header.host, &going_on).await?;
                }
            }
            self.session = Some(session);
            self.report.recorded += self.batch.len();
            self.batch.clear();
            self.bytes = 0;
        }
        if scan.at() > places::drained(&scan.path).max(scan.first) {
            places::set_drained(&scan.path, scan.at())
                .map_err(|source| JournalError::Read { path: scan.path.clone(), source })?;
        }
        Ok(())
    }

    fn keep_aside(&mut self, dir: &Path, scan: &Scan, at: u64, line: &[u8], reason: &str) -> Result<(), JournalError> {
        let path = dir.join(CORRUPT_LINES);
        let segment = scan.path.file_name().unwrap_or_default().to_string_lossy();
        tracing::warn!(
            %segment, offset = at, reason, kept = %path.display(),
            "a line of the access journal cannot be read, and is kept aside"
        );
        let text = String::from_utf8_lossy(line);
        let entry = serde_json::json!({ "segment": segment, "offset": at, "reason": reason, "line": text });
        let mut entry = entry.to_string();
        entry.push('\n');
        let file = mer_files::own().append().create(0o600).open(&path);
        file.and_then(|mut file| file.write_all(entry.as_bytes()))
            .map_err(|source| JournalError::Write { path, source })?;
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
        let recorded = places::drained(&path);
        let Ok(file) = mer_files::own().read().open(&path) else { continue };
        if file.metadata().is_ok_and(|meta| meta.len() > recorded) || try_lock(&file).unwrap_or(false) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn segments(dir: &Path) -> Result<Vec<PathBuf>, JournalError> {
    places::with_ending(dir, SEGMENT).map_err(|source| JournalError::Read { path: dir.to_path_buf(), source })
}

fn drain_lock(dir: &Path) -> Result<File, JournalError> {
    let path = dir.join(DRAIN_LOCK);
    let file = mer_files::own().write().create(0o600).open(&path);
    file.map_err(|source| JournalError::Read { path, source })
}

/// Removes what killed processes left: half-made segments, and places of segments that are gone.
fn remove_leftovers(dir: &Path) {
    let is_stale = |path: &Path| {
        let modified = fs::metadata(path).and_then(|meta| meta.modified());
        modified.is_ok_and(|time| SystemTime::now().duration_since(time).is_ok_and(|age| age > STALE))
    };
    for path in places::with_ending(dir, NEW).unwrap_or_default() {
        if is_stale(&path) {
            let _ = fs::remove_file(path);
        }
    }
    for path in places::with_ending(dir, DRAINED).unwrap_or_default() {
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
