//! One delivery of the same weights to the same place at a time, among all `mer` processes that share a folder.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::OpenOptionsExt as _,
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
    /// Somebody else was at it.
    pub(super) has_waited: bool,
    path: PathBuf,
    lock: Option<File>,
}

impl Alone {
    /// Waits for whoever does it already. Where there can be no lock, or somebody takes very long, it goes on without.
    pub(super) async fn wait(folder: &Path, name: &str) -> Self {
        let path = folder.join(name);
        let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let mut has_waited = false;
        let Ok(file) = opened else { return Self { has_waited, path, lock: None } };
        let until = Instant::now() + PATIENCE;
        while file.try_lock().is_err() {
            has_waited = true;
            if Instant::now() > until {
                return Self { has_waited, path, lock: None };
            }
            tokio::time::sleep(LOOK).await;
        }
        Self { has_waited, path, lock: Some(file) }
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
