//! The stamp of the engine's files: it changes whenever anybody may have written to the database.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path, time::Duration};

use serde::{Deserialize, Serialize};

/// The engine's own lock file, by its place in the folder.
const LOCK: &str = "LOCK";

/// Times of files move in steps of a clock tick, at most 10 ms: what is older than this changes with the next write.
const GRANULE: Duration = Duration::from_millis(20);

/// One file: name, inode, size, and the time of its last change. That is the time which no program can set back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct FileMark(String, u64, u64, i64, i64);

/// Every file of the engine's folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint(Vec<FileMark>);

impl Fingerprint {
    /// The stamp of a folder as it is now.
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

/// The engine's lock file at one moment. Each opening of the engine writes its pid into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LockMark(FileMark);

impl LockMark {
    /// The mark as it is now.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let meta = fs::metadata(path).ok()?;
        Some(Self(FileMark(LOCK.to_owned(), meta.ino(), meta.len(), meta.ctime(), meta.ctime_nsec())))
    }

    /// How long to wait until another opening is sure to change the mark.
    pub(crate) fn settles_in(&self) -> Duration {
        let FileMark(.., seconds, nanos) = self.0;
        let changed = Duration::new(seconds.try_into().unwrap_or(0), nanos.try_into().unwrap_or(0));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        // A time in the future means that the clock was set back: wait once, and no longer.
        GRANULE.saturating_sub(now.saturating_sub(changed)).min(GRANULE)
    }
}
