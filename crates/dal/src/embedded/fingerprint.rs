//! Fingerprint of the engine's files: it changes whenever another process may have written to the database.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path, time::Duration};

use serde::{Deserialize, Serialize};

/// Name of the engine's own lock file in its folder.
const LOCK: &str = "LOCK";

/// Resolution of file times: they move with a clock tick of 10 ms at most, so a time that is older than this changes
/// with the next write.
const GRANULE: Duration = Duration::from_millis(20);

/// One file: name, inode, size, and time of the last change in seconds and nanoseconds, which no program can set back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct FileMark(String, u64, u64, i64, i64);

/// Every file of the engine's folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint(Vec<FileMark>);

impl Fingerprint {
    /// Takes the fingerprint of a folder.
    pub(crate) fn of(folder: &Path) -> io::Result<Self> {
        let mut marks = Vec::with_capacity(16);
        walk(folder, "", &mut marks)?;
        marks.sort_unstable();
        Ok(Self(marks))
    }
}

fn walk(folder: &Path, prefix: &str, marks: &mut Vec<FileMark>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if meta.is_dir() {
            walk(&entry.path(), &format!("{name}/"), marks)?;
        } else {
            marks.push(FileMark(name, meta.ino(), meta.len(), meta.ctime(), meta.ctime_nsec()));
        }
    }
    Ok(())
}

/// State of the engine's lock file. Each opening of the engine writes its pid into that file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LockMark(FileMark);

impl LockMark {
    /// Reads the state of the file.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let meta = fs::metadata(path).ok()?;
        Some(Self(FileMark(LOCK.to_owned(), meta.ino(), meta.len(), meta.ctime(), meta.ctime_nsec())))
    }

    /// Returns how long to wait until another opening is certain to change this state.
    pub(crate) fn settles_in(&self) -> Duration {
        let FileMark(.., seconds, nanos) = self.0;
        let changed = Duration::new(seconds.try_into().unwrap_or(0), nanos.try_into().unwrap_or(0));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        // A time in the future means that the clock was set back: wait once, and no longer.
        GRANULE.saturating_sub(now.saturating_sub(changed)).min(GRANULE)
    }
}
