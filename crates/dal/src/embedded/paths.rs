//! Paths of an embedded database.
//!
//! The engine's folder `X` has neighbours: `X.lock` (the lease), `X.snapshot` (the registry for commands that need no
//! engine) and `X.journal/` (accesses that are not in the database yet). Folders are private to their owner.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::process::{Resource, getrlimit};

use crate::{
    DalError,
    trust::{check, check_folder, close_to_others},
};

/// Paths of one embedded database.
#[derive(Debug, Clone)]
pub(crate) struct EnginePaths {
    /// Folder of the engine.
    pub(crate) engine: PathBuf,
    /// Folder of the engine's logs.
    pub(crate) logs: PathBuf,
    /// Lock file of the engine, which it holds while it is open.
    pub(crate) engine_lock: PathBuf,
    /// Lock file of the lease.
    pub(crate) lease: PathBuf,
    /// Snapshot of the registry.
    pub(crate) snapshot: PathBuf,
    /// Folder of the access journal.
    pub(crate) journal: PathBuf,
}

impl EnginePaths {
    /// Returns the paths for an engine folder, without touching them.
    pub(crate) fn beside(folder: &Path) -> Self {
        // A relative path would lead elsewhere after a change of directory. If the current directory is gone, the path
        // stays relative.
        let engine = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
        let engine: PathBuf = engine.components().collect();
        let beside = |ending: &str| {
            let mut name = engine.clone().into_os_string();
            name.push(ending);
            PathBuf::from(name)
        };
        Self {
            logs: engine.join("wal"),
            engine_lock: engine.join("LOCK"),
            lease: beside(".lock"),
            snapshot: beside(".snapshot"),
            journal: beside(".journal"),
            engine,
        }
    }

    /// Creates the engine's folder and its parents.
    pub(crate) fn create(&self) -> Result<(), DalError> {
        let fail = |source| DalError::Folder { path: self.engine.clone(), source };
        mer_files::create_private_dir(&self.engine).map_err(fail)?;
        close_to_others(&self.engine).map_err(fail)
    }

    /// Checks that no other user can have written to the database or the files beside it.
    pub(crate) fn check(&self) -> Result<(), DalError> {
        check_folder(&self.engine)?;
        [&self.lease, &self.snapshot, &self.journal].into_iter().try_for_each(|path| check(path, false))
    }
}

/// Returns whether the disk of a folder is full.
pub(crate) fn is_full(folder: &Path) -> bool {
    /// Bytes that the engine writes to its log at a time.
    const A_BLOCK: u64 = 64 * 1024;
    free(folder).is_some_and(|free| free < A_BLOCK)
}

/// Returns whether the engine's log may have reached the limit on the size of files of this process (`ulimit -f`).
pub(crate) fn is_limited(engine: &Path) -> bool {
    /// Maximum number of bytes that one transaction writes.
    const TRANSACTION: u64 = 12 << 20;
    let Some(limit) = getrlimit(Resource::Fsize).current else { return false };
    let logs = fs::read_dir(engine.join("wal")).into_iter().flatten().flatten();
    let longest = logs.filter_map(|entry| entry.metadata().ok()).map(|log| log.len()).max().unwrap_or(0);
    longest.saturating_add(TRANSACTION) > limit
}

/// Returns the free bytes on the disk of a folder, if the system reports them.
pub(crate) fn free(folder: &Path) -> Option<u64> {
    rustix::fs::statvfs(folder).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}
