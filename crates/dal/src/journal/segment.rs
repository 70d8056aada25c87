//! One segment, as its owner writes it.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use mer_core::AttemptKey;
use uuid::Uuid;

use super::{
    error::JournalError,
    files::{NEW, SEGMENT},
};

/// A segment that is being written. Dropping its file releases its lock.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) file: Arc<File>,
    pub(super) path: Arc<Path>,
    pub(super) bytes: u64,
    /// Runs without an end.
    pub(super) open: HashSet<AttemptKey>,
    /// Ends that could not be written yet.
    backlog: Vec<u8>,
    /// A line was cut short and could not be truncated: nothing may follow it.
    pub(super) broken: bool,
}

impl Segment {
    /// Creates a segment with these lines, and syncs it to disk together with its name.
    pub(super) fn create(dir: &Path, lines: &[u8]) -> Result<Self, JournalError> {
        create_dir(dir).map_err(|source| JournalError::Create { path: dir.to_path_buf(), source })?;
        let temp = dir.join(Uuid::now_v7().simple().to_string()).with_extension(NEW);
        let path = temp.with_extension(SEGMENT);
        match write_new(dir, &temp, &path, lines) {
            Ok(file) => Ok(Self {
                file: Arc::new(file),
                path: path.into(),
                bytes: lines.len() as u64,
                open: HashSet::new(),
                backlog: Vec::new(),
                broken: false,
            }),
            Err(source) => {
                let _ = fs::remove_file(&temp);
                let _ = fs::remove_file(&path);
                Err(JournalError::Create { path, source })
            }
        }
    }

    /// Returns what a sync needs.
    pub(super) fn handle(&self) -> (Arc<File>, Arc<Path>) {
        (Arc::clone(&self.file), Arc::clone(&self.path))
    }

    /// Appends a line, after the backlog. On failure the segment is as it was.
    pub(super) fn write(&mut self, line: &[u8]) -> Result<(), JournalError> {
        let fail = |segment: &Self, source| JournalError::Write { path: segment.path.to_path_buf(), source };
        if self.broken {
            return Err(fail(self, io::Error::other("an earlier record was cut short")));
        }
        if !self.backlog.is_empty() {
            let late = std::mem::take(&mut self.backlog);
            if let Err(source) = self.append(&late) {
                self.backlog = late;
                return Err(fail(self, source));
            }
        }
        self.append(line).map_err(|source| fail(self, source))
    }

    /// Appends the line of an end. If that fails it is tried again with the next line.
    pub(super) fn write_end(&mut self, line: &[u8]) -> Result<(), JournalError> {
        self.write(line).inspect_err(|_| self.backlog.extend_from_slice(line))
    }

    /// Returns whether an end waits to be written.
    pub(super) fn is_late(&self) -> bool {
        !self.backlog.is_empty()
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = (&*self.file).write_all(bytes);
        match written {
            Ok(()) => self.bytes += bytes.len() as u64,
            Err(_) => self.broken = self.file.set_len(self.bytes).is_err(),
        }
        written
    }
}

/// Creates the journal's folder and syncs its name to disk.
fn create_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    mer_files::create_private_dir(dir)?;
    dir.parent().map_or(Ok(()), mer_files::sync_folder)
}

fn write_new(dir: &Path, temp: &PathBuf, path: &PathBuf, lines: &[u8]) -> io::Result<File> {
    let mut file = mer_files::internal().append().create_new(0o600).open(temp)?;
    // No other process knows the file yet: the lock is free.
    file.lock()?;
    file.write_all(lines)?;
    file.sync_data()?;
    fs::rename(temp, path)?;
    mer_files::sync_folder(dir)?;
    Ok(file)
}
