//! The files of an embedded database, and how they are made.
//!
//! Beside the engine's folder `X` stand `X.lock` (the lease), `X.snapshot` (the registry for those who need no engine)
//! and `X.journal/` (accesses on their way into the database). Folders are made for their owner only.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use rustix::process::{Resource, getrlimit};

use crate::{DalError, trust::close_to_others};

/// Where everything of one embedded database is.
#[derive(Debug, Clone)]
pub(crate) struct EngineFiles {
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

impl EngineFiles {
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
        create_private_dir(&self.engine).map_err(fail)?;
        close_to_others(&self.engine).map_err(fail)
    }
}

/// Makes a folder and those above it, open to their owner only. One that exists stays as it is.
pub(crate) fn create_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
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

/// Makes the names in a folder durable.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    mer_files::open_folder(path)?.sync_all()
}

/// Puts a file in place whole or not at all. It need not survive a power cut: what is written so can be made again.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut temp = path.as_os_str().to_owned();
    temp.push(format!(".{}.tmp", uuid::Uuid::now_v7().simple()));
    let temp = PathBuf::from(temp);
    let written = write_private(&temp, content).and_then(|()| fs::rename(&temp, path));
    if written.is_err() {
        let _ = fs::remove_file(&temp);
    }
    written
}

fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    let mut file = mer_files::own().write().create_new(0o600).open(path)?;
    file.write_all(content)
}
