//! The folder that a training writes to.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use mer_files::{is_at, try_lock};
use uuid::Uuid;

use crate::error::ServiceError;

/// The folder of one training. It is removed when this is dropped, or, after a kill -9, by the next training, as its lock is
/// free then.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: PathBuf,
    lock: PathBuf,
    /// Locked as long as the training lasts.
    _held: File,
}

impl Scratch {
    /// Makes an empty folder in `base`.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn new(base: &Path) -> Result<Self, ServiceError> {
        let cannot = |source| ServiceError::TrainingDir { folder: base.to_owned(), source };
        mer_files::create_private_dir(base).map_err(cannot)?;
        remove_abandoned(base);
        loop {
            let folder = base.join(Uuid::now_v7().to_string());
            let lock = folder.with_extension("lock");
            let held = mer_files::internal().write().create_new(0o600).open(&lock).map_err(cannot)?;
            held.lock().map_err(cannot)?;
            // Another process may have removed it as abandoned before it was locked.
            if is_at(&held, &lock).map_err(cannot)? {
                mer_files::create_new_private_dir(&folder).map_err(cannot)?;
                return Ok(Self { folder, lock, _held: held });
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// Moves a file out of the folder, to this name beside it, with its extension.
    pub(super) fn move_out(&self, file: &Path, name: &str) -> io::Result<PathBuf> {
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
        // What is left is removed by the next training.
        let _ = fs::remove_dir_all(&self.folder);
        let _ = fs::remove_file(&self.lock);
    }
}

/// Removes the folders of trainings whose process is gone.
pub(crate) fn remove_abandoned(base: &Path) {
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
        let kept = first.move_out(&file, "m-1").expect("kept");
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
        remove_abandoned(base.path());
        assert_eq!(left(), 1);
        assert!(kept.exists());
    }
}
