//! Exclusive kernel locks on files, with a bounded wait. The kernel releases a lock when its file is closed, also if the
//! process is killed.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::Duration,
};

use thiserror::Error;
use tokio::sync::oneshot;

use crate::internal;

/// A wait for a lock that failed for another reason than its bound.
#[derive(Debug, Error)]
pub enum LockError {
    /// The thread that waits could not be started.
    #[error(transparent)]
    NotStarted(io::Error),
    /// The file system cannot lock the file.
    #[error(transparent)]
    Lock(io::Error),
}

/// Opens a lock file for reading and writing, and creates it with mode 0600 if it does not exist.
///
/// # Errors
/// As [`crate::Options::open`].
pub fn open_lock_file(path: &Path) -> io::Result<File> {
    internal().read().write().create(0o600).open(path)
}

/// Whether an open file is the one that has this path now. A lock file that was removed, or removed and created again,
/// excludes no other process.
///
/// # Errors
/// Errors of the system; a missing file is none.
pub fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let found = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        found => found?,
    };
    let opened = file.metadata()?;
    Ok((opened.dev(), opened.ino()) == (found.dev(), found.ino()))
}

/// Locks a file unless it is locked already. Returns whether it was locked.
///
/// # Errors
/// The file system cannot lock the file.
pub fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Locks a file, and waits at most this long for its holder. Returns nothing if the wait ran out.
///
/// The kernel queues the processes that wait and wakes the next one at once, which polling could not do. A thread does the
/// waiting. It is abandoned when the wait runs out or the future is dropped: if it gets the lock later, it closes the file.
///
/// # Errors
/// [`LockError`].
pub async fn lock_within(file: File, wait: Duration) -> Result<Option<File>, LockError> {
    if try_lock(&file).map_err(LockError::Lock)? {
        return Ok(Some(file));
    }
    if wait.is_zero() {
        return Ok(None);
    }
    let (locked, outcome) = oneshot::channel();
    let spawned = std::thread::Builder::new().name("mer-lock".to_owned()).stack_size(64 << 10).spawn(move || {
        let outcome = loop {
            match file.lock() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map(|()| file),
            }
        };
        let _ = locked.send(outcome);
    });
    spawned.map_err(LockError::NotStarted)?;
    match tokio::time::timeout(wait, outcome).await {
        Err(_) => Ok(None),
        Ok(Ok(outcome)) => outcome.map(Some).map_err(LockError::Lock),
        Ok(Err(_)) => Err(LockError::Lock(io::Error::other("the thread that waited for the lock ended"))),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn the_wait_is_bounded_and_an_abandoned_waiter_lets_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lock");
        let open = || open_lock_file(&path).expect("the lock file");
        let holder = open();
        assert!(try_lock(&holder).expect("locked"));
        let begun = Instant::now();
        assert!(lock_within(open(), Duration::from_millis(50)).await.expect("a wait").is_none());
        assert!(begun.elapsed() < Duration::from_secs(5));
        drop(holder);
        // The abandoned waiter has or gets the lock, and gives it back.
        let third = lock_within(open(), Duration::from_secs(30)).await.expect("a wait");
        assert!(third.is_some());
    }
}
