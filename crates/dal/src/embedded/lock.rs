//! Kernel file locks with a bounded wait.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
    time::Duration,
};

use mer_core::not_started;
use tokio::sync::oneshot;

/// Opens a lock file, which is created if it does not exist.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    mer_files::own().read().write().create(0o600).open(path)
}

/// Returns whether this file is certainly the one at the path.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    mer_files::is_at(file, path).unwrap_or(false)
}

/// Locks a file if no other process has it locked.
pub(crate) fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Locks a file, and waits this long at most for its holder. Returns `None` if the wait ran out.
///
/// The kernel queues waiting processes and wakes the next one at once, which polling would not do. A thread does the
/// waiting and may be left behind: if it gets the lock after the wait ran out, its file is dropped and thereby closed.
pub(crate) async fn lock_within(file: File, wait: Duration) -> io::Result<Option<File>> {
    if try_lock(&file)? {
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
    spawned.map_err(not_started)?;
    match tokio::time::timeout(wait, outcome).await {
        Err(_) => Ok(None),
        Ok(Ok(outcome)) => outcome.map(Some),
        Ok(Err(_)) => Err(io::Error::other("the thread that waited for the lock ended")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn the_wait_is_bounded_and_an_abandoned_waiter_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let holder = open(&path).unwrap();
        assert!(try_lock(&holder).unwrap());
        let begun = Instant::now();
        assert!(lock_within(open(&path).unwrap(), Duration::from_millis(50)).await.unwrap().is_none());
        assert!(begun.elapsed() < Duration::from_secs(5));
        drop(holder);
        // The abandoned waiter has or gets the lock, and gives it back.
        let third = lock_within(open(&path).unwrap(), Duration::from_secs(30)).await.unwrap();
        assert!(third.is_some());
    }
}
