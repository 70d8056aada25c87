//! The lock file of the lease, with the pid of its holder.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, Write as _},
    time::{Duration, Instant},
};

use mer_core::not_started;
use mer_files::LockError;

use super::paths::EnginePaths;
use crate::DalError;

/// The locked file of the lease.
pub(super) struct LeaseFile {
    file: File,
    /// The engine's folder, which is locked too: it is less likely to be removed than a file that looks like a stale lock.
    /// `None` if the file system does not lock folders.
    folder: Option<File>,
    /// Start of the wait for the database.
    pub(super) begun: Instant,
    /// Bound on that wait.
    pub(super) wait: Duration,
}

impl LeaseFile {
    /// Makes the files of the database if there are none, and waits for the lock.
    pub(super) async fn lock(files: &EnginePaths, wait: Duration) -> Result<Self, DalError> {
        let begun = Instant::now();
        files.check()?;
        files.create()?;
        let fail = |source| DalError::Lock { path: files.lease.clone(), source };
        let busy = || {
            let pid = mer_files::open_lock_file(&files.lease).ok().and_then(read_pid);
            DalError::Busy { path: files.engine.clone(), pid, waited: begun.elapsed() }
        };
        let file = loop {
            let file = mer_files::open_lock_file(&files.lease).map_err(fail)?;
            let left = wait.saturating_sub(begun.elapsed());
            let Some(file) = lock_within(file, left).await.map_err(fail)? else { return Err(busy()) };
            // A lock file that was removed during the wait excludes no other process.
            if mer_files::is_at(&file, &files.lease).unwrap_or(false) {
                break file;
            }
        };
        let folder = match mer_files::open_folder(&files.engine) {
            Ok(folder) => match lock_within(folder, wait.saturating_sub(begun.elapsed())).await {
                Ok(Some(folder)) => Some(folder),
                Ok(None) => return Err(busy()),
                Err(error) => {
                    tracing::debug!(%error, "this file system does not lock folders");
                    None
                }
            },
            Err(source) => return Err(DalError::Folder { path: files.engine.clone(), source }),
        };
        // Other processes read the pid for their error message. On a full disk it cannot be written, and is left out.
        let _ = write_pid(&file, Some(std::process::id()));
        Ok(Self { file, folder, begun, wait })
    }

    /// Checks that the locked files are still at their paths.
    pub(super) fn check(&self, files: &EnginePaths) -> Result<(), DalError> {
        let folder = self.folder.as_ref().map(|folder| (folder, &files.engine));
        for (file, path) in [(&self.file, &files.lease)].into_iter().chain(folder) {
            if !mer_files::is_at(file, path).unwrap_or(false) {
                return Err(DalError::LockGone { path: path.clone() });
            }
        }
        Ok(())
    }

    pub(super) fn release(self) {
        // Without the pid, no error message blames this process any more. Dropping the file releases the lock.
        let _ = write_pid(&self.file, None);
    }
}

/// Locks a file with a bound. A thread that could not be started for lack of processes is marked as such.
async fn lock_within(file: File, wait: Duration) -> io::Result<Option<File>> {
    mer_files::lock_within(file, wait).await.map_err(|error| match error {
        LockError::NotStarted(error) => not_started(error),
        LockError::Lock(error) => error,
    })
}

fn write_pid(mut file: &File, pid: Option<u32>) -> io::Result<()> {
    file.rewind()?;
    file.set_len(0)?;
    match pid {
        Some(pid) => writeln!(file, "{pid}"),
        None => Ok(()),
    }
}

fn read_pid(mut file: File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
