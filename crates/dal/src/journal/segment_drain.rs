//! Recording the segments of a journal, one after the other.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use mer_core::{Access, AttemptKey, Status};

use super::{
    JournalError,
    files::{self, CORRUPT, DRAINED},
    format::Unreadable,
    quarantine,
    record::{record, record_less},
    report::DrainReport,
    scan::{Line, Scan},
    segment_owner::{DrainTarget, SegmentOwner},
};
use crate::{
    DalError, Session,
    access_batch::{BATCH_BYTES, BATCH_ROWS, text_bytes},
};

/// Pause between two looks at what others do.
const LOOK: Duration = Duration::from_millis(20);
/// Error in the row of a run whose end is not in the journal.
const NO_END: &str = "no end of this run was recorded: `mer` was killed, or could not write it down";

/// Records segments in batches, and reopens the session between them.
pub(super) struct SegmentDrain {
    /// `None` only after reopening it failed.
    session: Option<Session>,
    pub(super) report: DrainReport,
    batch: Vec<Access>,
    /// Text in the batch, in bytes.
    bytes: usize,
}

impl SegmentDrain {
    pub(super) fn new(session: Session) -> Self {
        Self { session: Some(session), report: DrainReport::default(), batch: Vec::new(), bytes: 0 }
    }

    /// Returns the session, which may have been reopened, and the report.
    pub(super) fn finish(self) -> Result<(Session, DrainReport), DalError> {
        let session = self.session.ok_or(DalError::Gone { operation: "drain the journal" })?;
        Ok((session, self.report))
    }

    pub(super) fn session(&self) -> Result<&Session, DalError> {
        self.session.as_ref().ok_or(DalError::Gone { operation: "drain the journal" })
    }

    /// Closes the session while others use the database, until something holds or the bound has passed. Returns whether it holds.
    ///
    /// # Errors
    /// The database is not available, or what `look` returns.
    pub(super) async fn let_others(
        &mut self,
        bound: Duration,
        look: impl Fn() -> Result<bool, JournalError>,
    ) -> Result<bool, DalError> {
        let session = self.session.take().ok_or(DalError::Gone { operation: "drain the journal" })?;
        let (database, begun) = (session.database().clone(), Instant::now());
        session.close().await?;
        let mut holds = look();
        while matches!(holds, Ok(false)) && begun.elapsed() < bound {
            tokio::time::sleep(LOOK).await;
            holds = look();
        }
        self.session = Some(database.session().await?);
        Ok(holds?)
    }

    /// Drains one segment, or reports why it is skipped.
    ///
    /// # Errors
    /// The database is not available.
    pub(super) async fn file(&mut self, target: &DrainTarget, path: PathBuf) -> Result<(), DalError> {
        let drained = match Scan::open(&path) {
            Ok(None) => return Ok(()),
            Ok(Some(scan)) => self.segment(target, scan).await,
            Err(error) => Err(error.into()),
        };
        match drained {
            Err(DalError::Journal { source }) => {
                // The next drain reads these records again.
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
        if !self.is_ours(target, &scan, done)? {
            return Ok(());
        }
        // A segment without an owner is read from its beginning, for starts without an end.
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
                Line::Corrupt { bytes, reason } if at >= done => self.quarantine(&scan, at, &bytes, &reason)?,
                Line::Corrupt { .. } => {}
                Line::End(rest) => {
                    if scan.orphaned && !rest.is_empty() {
                        self.quarantine(&scan, at, &rest, "the line is not complete")?;
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

    /// Returns whether a segment, of which `done` bytes are recorded, is to be recorded in the target.
    fn is_ours(&mut self, target: &DrainTarget, scan: &Scan, done: u64) -> Result<bool, JournalError> {
        match &scan.header {
            Ok(header) => match target.owner(header) {
                SegmentOwner::ThisDatabase => return Ok(true),
                SegmentOwner::OtherDatabase => {}
                SegmentOwner::OtherLocation => {
                    if scan.orphaned || scan.length() > done {
                        self.report.leave(header.location.as_ref().map_or("", |there| there.address.as_str()));
                    }
                }
            },
            Err(Unreadable::Newer(format)) => {
                self.report.skip(scan.path.clone(), format!("a newer MER wrote it, in format {format}"));
            }
            Err(Unreadable::Corrupt(reason)) => {
                if scan.orphaned {
                    let path = scan.path.display();
                    tracing::warn!(%path, reason, "a journal segment has no readable first line, and is kept aside");
                    let corrupt = scan.path.with_extension(CORRUPT);
                    fs::rename(&scan.path, corrupt).map_err(|source| scan.fail(source))?;
                    self.report.corrupt += 1;
                }
            }
        }
        Ok(false)
    }

    async fn add(&mut self, access: Access, scan: &Scan) -> Result<(), DalError> {
        self.bytes += text_bytes(&access);
        self.batch.push(access);
        if self.batch.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES {
            self.flush(scan).await?;
        }
        Ok(())
    }

    /// Records the batch and notes how far the segment is recorded. Reopens the session before that when it is time.
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
            keep_alive(session, scan, &batch).await?;
            self.report.recorded += batch.len() - count;
            self.report.refused += count;
        }
        if scan.at() > files::drained(&scan.path).max(scan.first)
            && let Err(error) = files::set_drained(&scan.path, scan.at())
        {
            // The same records are then recorded once more, which changes nothing.
            tracing::debug!(path = %scan.path.display(), %error, "how far a segment was recorded is not remembered");
        }
        Ok(())
    }

    fn quarantine(&mut self, scan: &Scan, at: u64, line: &[u8], reason: &str) -> Result<(), JournalError> {
        quarantine::corrupt(&scan.path, at, line, reason)?;
        self.report.corrupt += 1;
        Ok(())
    }
}

/// Renews the heartbeat of the runs that a batch starts, if the process that wrote the segment is alive and the database is
/// on a server.
async fn keep_alive(session: &Session, scan: &Scan, batch: &[Access]) -> Result<(), DalError> {
    let Ok(header) = &scan.header else { return Ok(()) };
    if scan.orphaned || session.database().settings().url.is_embedded() {
        return Ok(());
    }
    let running = running(batch);
    if running.is_empty() {
        return Ok(());
    }
    match session.keep_alive(&header.host, &running).await {
        // The runs are recorded, and their next heartbeat comes soon.
        Err(error) if error.may_be_a_value() => {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the heartbeat of running attempts was not renewed"
            );
            Ok(())
        }
        renewed => renewed,
    }
}

/// Returns the attempts that have a start and no end among these records.
fn running(batch: &[Access]) -> Vec<AttemptKey> {
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
