//! One delivery of the same weights to the same place at a time, among all `mer` processes that share a folder.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Between two looks whether somebody else is done.
const LOOK: Duration = Duration::from_millis(50);

/// Somebody who takes longer is not waited for: doing it twice does no harm.
const PATIENCE: Duration = Duration::from_secs(600);

/// Nobody else delivers the same meanwhile. The kernel frees it with the process.
#[derive(Debug)]
pub(super) struct Alone {
    path: PathBuf,
    lock: Option<File>,
}

impl Alone {
    /// Waits for the process that does it already. Where there can be no lock, or that takes very long, it goes on without.
    pub(super) async fn wait(folder: &Path, name: &str) -> Self {
        let path = folder.join(name);
        let opened = mer_files::own().append().create(0o600).open(&path);
        let Ok(file) = opened else { return Self { path, lock: None } };
        let until = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Self { path, lock: Some(file) },
                Err(TryLockError::WouldBlock) if Instant::now() < until => tokio::time::sleep(LOOK).await,
                // Some file systems know no locks.
                Err(_) => return Self { path, lock: None },
            }
        }
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        if self.lock.is_some() {
            // Whoever has opened it just now does the work twice, at worst.
            let _ = fs::remove_file(&self.path);
        }
    }
}
