//! The engine's own lock file, which the engine holds while it is open.

use std::{
    fs::File,
    io,
    path::Path,
    time::{Duration, Instant},
};

use super::{fingerprint::LockMark, paths::EnginePaths};
use crate::DalError;

/// How long the engine may take to release its files, and running operations to end.
pub(super) const CLOSE_BOUND: Duration = Duration::from_secs(20);

/// Pause between two attempts to take the engine's lock.
const POLL: Duration = Duration::from_micros(500);

/// The lock file as it was when the engine was opened. Later there may be another file at its path.
pub(super) struct EngineLock {
    pub(super) mark: Option<LockMark>,
    file: Option<File>,
}

impl EngineLock {
    /// Opens the lock file; a missing file was removed.
    pub(super) fn of(files: &EnginePaths) -> Result<Self, DalError> {
        Ok(Self { file: open(&files.engine_lock)?, mark: LockMark::of(&files.engine_lock) })
    }

    /// Waits until the engine has released the lock, and takes it.
    pub(super) async fn closed(&self, files: &EnginePaths) -> Result<(), DalError> {
        let begun = Instant::now();
        let Some(file) = &self.file else { return Ok(()) };
        while !mer_files::try_lock(file).unwrap_or(false) {
            if begun.elapsed() > CLOSE_BOUND {
                return Err(DalError::Close { path: files.engine.clone(), waited: begun.elapsed() });
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Returns whether this file is still the one at the path.
    pub(super) fn is_in_place(&self, files: &EnginePaths) -> bool {
        self.file.as_ref().is_some_and(|file| mer_files::is_at(file, &files.engine_lock).unwrap_or(false))
    }
}

/// Returns whether no engine has the folder open.
pub(super) fn is_free(path: &Path) -> Result<bool, DalError> {
    let Some(file) = open(path)? else { return Ok(true) };
    mer_files::try_lock(&file).map_err(|source| DalError::Lock { path: path.to_path_buf(), source })
}

/// Opens the file for reading, which does not change it.
fn open(path: &Path) -> Result<Option<File>, DalError> {
    match mer_files::internal().read().open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => file.map(Some).map_err(|source| DalError::Lock { path: path.to_path_buf(), source }),
    }
}
