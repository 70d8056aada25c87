//! The files of an embedded database, and how they are made.
//!
//! Beside the engine's folder `X` stand `X.lock` (the lease), `X.snapshot` (the registry for those who need no engine)
//! and `X.journal/` (accesses on their way into the database). Folders are made for their owner only.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::process::{Resource, getrlimit};

use crate::{
    DalError,
    trust::{check, check_folder, close_to_others},
};

/// Where everything of one embedded database is.
#[derive(Debug, Clone)]
pub(crate) struct EnginePaths {
    /// The engine's own folder.
    pub(crate) engine: PathBuf,
    /// The folder of the engine's logs.
    pub(crate) logs: PathBuf,
    /// The engine's own lock, held while it is open.
    pub(crate) engine_lock: PathBuf,
    /// The lease.
    pub(crate) lease: PathBuf,
    /// The registry's snapshot.
    pub(crate) snapshot: PathBuf,
    /// The access journal.
    pub(crate) journal: PathBuf,
}

impl EnginePaths {
    /// The files beside an engine folder. Nothing is touched.
    pub(crate) fn beside(folder: &Path) -> Self {
        // A relative path would mean another place after a change of directory; there is nothing to do where the
        // current directory is gone.
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

    /// Makes the engine's folder and those above it.
    pub(crate) fn create(&self) -> Result<(), DalError> {
        let fail = |source| DalError::Folder { path: self.engine.clone(), source };
        mer_files::create_private_dir(&self.engine).map_err(fail)?;
        close_to_others(&self.engine).map_err(fail)
    }

    /// Checks everything that belongs to the database.
    pub(crate) fn check(&self) -> Result<(), DalError> {
        check_folder(&self.engine)?;
        [&self.lease, &self.snapshot, &self.journal].into_iter().try_for_each(|path| check(path, false))
    }
}

/// Whether there is no room left on the disk of a folder.
pub(crate) fn is_full(folder: &Path) -> bool {
    /// The engine writes a block of its log at a time.
    const A_BLOCK: u64 = 64 * 1024;
    free(folder).is_some_and(|free| free < A_BLOCK)
}

/// Whether the engine's log may have come to the size that this process's files may have at most (`ulimit -f`).
pub(crate) fn is_limited(engine: &Path) -> bool {
    /// The most that one transaction writes.
    const TRANSACTION: u64 = 12 << 20;
    let Some(limit) = getrlimit(Resource::Fsize).current else { return false };
    let logs = fs::read_dir(engine.join("wal")).into_iter().flatten().flatten();
    let longest = logs.filter_map(|entry| entry.metadata().ok()).map(|log| log.len()).max().unwrap_or(0);
    longest.saturating_add(TRANSACTION) > limit
}

/// How many bytes there is room for on the disk of a folder, where the system tells.
pub(crate) fn free(folder: &Path) -> Option<u64> {
    rustix::fs::statvfs(folder).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}
