//! Writes the journal.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use mer_core::{Access, AttemptKey};
use uuid::Uuid;

use super::{
    JournalError,
    format::{FORMAT, Header, encode},
    segment::Segment,
    sync::Syncer,
};
use crate::Location;

/// Size in bytes at which a segment is replaced by a new one.
const SEGMENT_BYTES: u64 = 4 << 20;

/// When a start is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// When the call returns: for a process that is about to be started.
    Synced,
    /// Within 100 ms, and with the kernel when the call returns: for a request to a process that is already running.
    Written,
}

/// The process that writes a journal, for people who look into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalOwner {
    /// Name of this machine.
    pub host: String,
    /// Pid of this process.
    pub pid: u32,
    /// Version of MER.
    pub mer_version: String,
}

/// The journal of one `mer` process for one database. Making one touches nothing: the first start creates the segment.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    header: Header,
    segment_bytes: u64,
    segments: Mutex<Segments>,
    syncer: Arc<Syncer>,
}

#[derive(Debug, Default)]
struct Segments {
    current: Option<Segment>,
    /// Full segments with runs that have not ended.
    old: Vec<Segment>,
}

/// File and path of a segment, as a sync needs them.
type Handle = (Arc<std::fs::File>, Arc<Path>);

impl Journal {
    /// Makes a journal in this folder ([`crate::Database::journal_dir`]) for the database with this uid.
    #[must_use]
    pub fn new(dir: PathBuf, database_uid: Uuid, owner: JournalOwner) -> Self {
        let JournalOwner { host, pid, mer_version } = owner;
        Self {
            dir,
            header: Header { format: FORMAT, database_uid, host, pid, mer_version, location: None },
            segment_bytes: SEGMENT_BYTES,
            segments: Mutex::default(),
            syncer: Arc::default(),
        }
    }

    /// Sets the location of the database, so that its accesses are not recorded in a copy of it elsewhere.
    #[must_use]
    pub fn at(mut self, location: Option<Location>) -> Self {
        self.header.location = location;
        self
    }

    #[cfg(test)]
    pub(super) fn with_segment_bytes(mut self, segment_bytes: u64) -> Self {
        self.segment_bytes = segment_bytes;
        self
    }

    /// Records that an attempt begins. Returns when the record is as durable as asked for.
    ///
    /// # Errors
    /// The record may not be there, and the attempt must not begin.
    pub async fn started(&self, access: &Access, durability: Durability) -> Result<(), JournalError> {
        let line = encode(access).map_err(|source| JournalError::Encode { source })?;
        let (handle, alone) = {
            let mut segments = self.lock();
            let handle = segments.start(self, access, &line)?;
            (handle, segments.is_alone())
        };
        let Some((file, path)) = handle else { return Ok(()) };
        match durability {
            Durability::Written => self.syncer.written(&file, &path),
            // No other run waits for this thread, and none shares the sync.
            Durability::Synced if alone => self.syncer.sync_here(&file, &path),
            Durability::Synced => self.syncer.sync(&file, &path).await,
        }
    }

    /// Records the end of an attempt. Returns when the record is with the kernel; it is on disk within 100 ms.
    ///
    /// # Errors
    /// The record is not there yet; it is tried again with the next one.
    pub async fn ended(&self, access: &Access) -> Result<(), JournalError> {
        let line = encode(access).map_err(|source| JournalError::Encode { source })?;
        let handle = self.lock().end(self, access.key(), &line)?;
        handle.map_or(Ok(()), |(file, path)| self.syncer.written(&file, &path))
    }

    /// Syncs all segments and releases them, so that a run without an end counts as `lost`. A process does the same by
    /// ending.
    #[cfg(test)]
    pub(super) async fn close(self) -> Result<(), JournalError> {
        let segments = std::mem::take(&mut *self.lock());
        for mut segment in segments.old.into_iter().chain(segments.current) {
            segment.write(&[])?;
            self.syncer.sync(&segment.file, &segment.path).await?;
        }
        Ok(())
    }

    /// Returns the files of the segments that are being written.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let segments = self.lock();
        segments.old.iter().chain(&segments.current).map(|segment| segment.path.to_path_buf()).collect()
    }

    /// Returns the attempts that have not ended.
    pub(super) fn open(&self) -> Vec<AttemptKey> {
        let segments = self.lock();
        segments.old.iter().chain(&segments.current).flat_map(|segment| &segment.open).copied().collect()
    }

    /// Releases the current segment if none of its runs goes on and `is_done` says so. Returns its file.
    pub(super) fn take_done(&self, is_done: impl Fn(&Segment) -> bool) -> Option<PathBuf> {
        let done = |segment: &mut Segment| segment.open.is_empty() && !segment.is_late() && is_done(segment);
        self.lock().current.take_if(done).map(|segment| segment.path.to_path_buf())
    }

    pub(super) fn host(&self) -> &str {
        &self.header.host
    }

    fn create_segment(&self, line: &[u8]) -> Result<Segment, JournalError> {
        let mut lines = encode(&self.header).map_err(|source| JournalError::Encode { source })?;
        lines.extend_from_slice(line);
        Segment::create(&self.dir, &lines)
    }

    fn lock(&self) -> MutexGuard<'_, Segments> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.syncer.end();
    }
}

impl Segments {
    /// Writes a start. Returns the segment if it must still be synced.
    fn start(&mut self, journal: &Journal, access: &Access, line: &[u8]) -> Result<Option<Handle>, JournalError> {
        if let Some(full) = self.current.take_if(|segment| segment.broken || segment.bytes >= journal.segment_bytes) {
            self.retire(full);
        }
        let (segment, handle) = match &mut self.current {
            Some(segment) => {
                segment.write(line)?;
                let handle = segment.handle();
                (segment, Some(handle))
            }
            // It was created and synced with its first record.
            current => (current.insert(journal.create_segment(line)?), None),
        };
        segment.open.insert(access.key());
        Ok(handle)
    }

    /// Writes an end into the segment of its start. Returns the segment if it must still be synced.
    fn end(&mut self, journal: &Journal, key: AttemptKey, line: &[u8]) -> Result<Option<Handle>, JournalError> {
        if let Some(at) = self.old.iter().position(|segment| segment.open.contains(&key)) {
            let segment = &mut self.old[at];
            let written = segment.write_end(line);
            let handle = segment.handle();
            written?;
            segment.open.remove(&key);
            if segment.open.is_empty() {
                self.old.swap_remove(at);
            }
            return Ok(Some(handle));
        }
        let Some(segment) = &mut self.current else {
            self.current = Some(journal.create_segment(line)?);
            return Ok(None);
        };
        segment.write_end(line)?;
        segment.open.remove(&key);
        Ok(Some(segment.handle()))
    }

    /// Returns whether the run that has just begun is the only one.
    fn is_alone(&self) -> bool {
        self.old.is_empty() && self.current.as_ref().is_none_or(|segment| segment.open.len() <= 1)
    }

    /// Keeps a full segment locked while one of its runs goes on.
    fn retire(&mut self, segment: Segment) {
        if !segment.open.is_empty() {
            self.old.push(segment);
        }
    }
}
