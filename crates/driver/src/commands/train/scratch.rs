//! The folder that a training writes to.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use mer_files::{is_at, try_lock};
use uuid::Uuid;

use crate::errors::CliError;

/// A folder of one training. It goes with this, or, after a kill -9, with the next training: its lock is free then.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: PathBuf,
    lock: PathBuf,
    /// Held as long as the training lasts.
    _held: File,
}

impl Scratch {
    /// An empty folder in this one.
    ///
    /// # Errors
    /// It cannot be made (74).
    pub(super) fn new(base: &Path) -> Result<Self, CliError> {
        let cannot =
            |error| CliError::io(format!("cannot make a folder for the training in `{}`", base.display()), error);
        mer_files::create_private_dir(base).map_err(cannot)?;
        clear(base);
        loop {
            let folder = base.join(Uuid::now_v7().to_string());
            let lock = folder.with_extension("lock");
            let held = mer_files::internal().write().create_new(0o600).open(&lock).map_err(cannot)?;
            held.lock().map_err(cannot)?;
            // Somebody who cleared away may have had it before us.
            if is_at(&held, &lock).map_err(cannot)? {
                mer_files::create_new_private_dir(&folder).map_err(cannot)?;
                return Ok(Self { folder, lock, _held: held });
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.folder
    }

    /// Keeps a file of it beside the folder, under a name that begins so; or leaves it where that cannot be.
    pub(super) fn keep(&self, file: &Path, name: &str) -> io::Result<PathBuf> {
        let mut kept = self.folder.with_file_name(name);
        if let Some(ending) = file.extension() {
            kept.as_mut_os_string().push(".");
            kept.as_mut_os_string().push(ending);
        }
        fs::rename(file, &kept)?;
        Ok(kept)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left is cleared away by the next one.
        let _ = fs::remove_dir_all(&self.folder);
        let _ = fs::remove_file(&self.lock);
    }
}

/// Removes the folders of trainings whose `mer` is gone.
pub(in crate::commands) fn clear(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for lock in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if lock.extension().is_none_or(|ending| ending != "lock") {
            continue;
        }
        let Ok(file) = mer_files::internal().read().open(&lock) else { continue };
        if try_lock(&file).unwrap_or(false) && is_at(&file, &lock).unwrap_or(false) {
            let _ = fs::remove_dir_all(lock.with_extension(""));
            let _ = fs::remove_file(&lock);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_its_training_or_with_the_next_one() {
        let base = tempfile::tempdir().expect("folder");
        let left = || fs::read_dir(base.path()).expect("folder").count();
        let first = Scratch::new(base.path()).expect("scratch");
        let file = first.path().join("weights.npy");
        fs::write(&file, "x").expect("file");
        let second = Scratch::new(base.path()).expect("scratch");
        assert!(file.exists(), "it is in use");
        let kept = first.keep(&file, "m-1").expect("kept");
        assert_eq!(kept, base.path().join("m-1.npy"));
        drop(second);
        drop(first);
        assert_eq!(left(), 1, "what was kept");
        // As a kill -9 leaves it.
        let killed = Scratch::new(base.path()).expect("scratch");
        let (folder, lock) = (killed.folder.clone(), killed.lock.clone());
        fs::write(killed.path().join("weights"), "x").expect("file");
        let again = mer_files::internal().append().open(&lock).expect("lock");
        drop(killed);
        drop(again);
        fs::create_dir(&folder).expect("folder");
        fs::write(&lock, "").expect("lock");
        clear(base.path());
        assert_eq!(left(), 1);
        assert!(kept.exists());
    }
}
