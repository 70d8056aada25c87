//! Writing the journal.

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

/// A segment that is larger is replaced by a new one.
const SEGMENT_BYTES: u64 = 4 << 20;

/// When a start is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// When the call returns: for a process that is about to be started.
    Synced,
    /// Within 100 ms; with the kernel when the call returns: for a request to a process that is already there.
    Written,
}

/// Who writes a journal, for those who look into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalOwner {
    /// Name of this machine.
    pub host: String,
    /// This process.
    pub pid: u32,
    /// The version of MER.
    pub mer_version: String,
}

/// The journal of one `mer` process for one database. Making one touches nothing: the first start makes the segment.
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
    /// Full ones with runs that have not ended.
    old: Vec<Segment>,
}

/// What a sync needs of a segment.
type Handle = (Arc<std::fs::File>, Arc<Path>);

impl Journal {
    /// A journal in this folder ([`crate::Database::journal_dir`]) for the database of this uid.
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

    /// The same, with where the database is: its accesses are not recorded elsewhere, in a copy of it.
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
    /// The record may not be there, and what it stands for must not begin.
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
            // Nothing that this thread would hold up, and nobody to share the sync with.
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

    /// The files of the segments that are written to.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let segments = self.lock();
        segments.old.iter().chain(&segments.current).map(|segment| segment.path.to_path_buf()).collect()
    }

    /// The attempts that go on.
    pub(super) fn open(&self) -> Vec<AttemptKey> {
        let segments = self.lock();
        segments.old.iter().chain(&segments.current).flat_map(|segment| &segment.open).copied().collect()
    }

    /// Lets the current segment go where no run of it goes on and it is done with. Gives its file.
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
    /// Writes a start; gives the segment where it is still to be synced.
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
            // Made with its first record, on disk: nothing is left to wait for.
            current => (current.insert(journal.create_segment(line)?), None),
        };
        segment.open.insert(access.key());
        Ok(handle)
    }

    /// Writes an end into the segment of its start; gives the segment where it is still to be synced.
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

    /// Whether the run that has just begun is the only one.
    fn is_alone(&self) -> bool {
        self.old.is_empty() && self.current.as_ref().is_none_or(|segment| segment.open.len() <= 1)
    }

    /// A full segment stays ours while a run of it has not ended.
    fn retire(&mut self, segment: Segment) {
        if !segment.open.is_empty() {
            self.old.push(segment);
        }
    }
}
