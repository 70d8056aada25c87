//! The lock of one delivery.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

/// Maximum wait for another process that delivers the same weights. Delivering them twice does no harm.
const MAX_WAIT: Duration = Duration::from_secs(600);

/// Exclusive lock on one delivery, among all `mer` processes that share a folder; the kernel releases it if the process dies.
#[derive(Debug)]
pub(super) struct DeliveryLock {
    path: PathBuf,
    file: Option<File>,
}

impl DeliveryLock {
    /// Waits for a process that delivers the same. Where the file system has no locks, or the wait runs out, the delivery
    /// goes on without the lock.
    pub(super) async fn acquire(folder: &Path, name: &str) -> Self {
        let path = folder.join(name);
        let opened = mer_files::internal().append().create(0o600).open(&path);
        let file = match opened {
            Ok(file) => mer_files::lock_within(file, MAX_WAIT).await.unwrap_or_default(),
            Err(_) => None,
        };
        Self { path, file }
    }
}

impl Drop for DeliveryLock {
    fn drop(&mut self) {
        if self.file.is_some() {
            // A process that has opened the file just now does the work twice at worst.
            let _ = fs::remove_file(&self.path);
        }
    }
}
