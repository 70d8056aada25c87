//! The folder of weights on this machine.

use std::{
    fs::{self, File, Metadata},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use mer_core::{Size, WeightsVersion};
use mer_dal::{Database, Download, check_ownership};
use mer_files::AtomicFile;
use uuid::Uuid;

use super::{
    DeliveryError,
    lock::DeliveryLock,
    progress::Told,
    verified::{Verified, has_hash, protect},
};

/// What was used less long ago is taken for in use: a model may open its weights late.
const IN_USE: Duration = Duration::from_secs(3600);

/// The folder of weights that models on this machine were given, and where it gets them from. Touches nothing until the
/// first delivery. Files in it are named by hash and format, are read-only, and appear whole or not at all. One that was changed
/// since its hash was looked at is no such file, and is brought again.
#[derive(Debug, Clone)]
pub struct Cache {
    database: Database,
    folder: PathBuf,
    limit: Size,
}

impl Cache {
    /// Weights of `database`, in `folder`; beyond `limit` what was used longest ago goes.
    #[must_use]
    pub const fn new(database: Database, folder: PathBuf, limit: Size) -> Self {
        Self { database, folder, limit }
    }

    pub(super) const fn database(&self) -> &Database {
        &self.database
    }

    pub(super) const fn limit(&self) -> Size {
        self.limit
    }

    /// The folder, where there is one or can be.
    pub(super) fn folder(&self) -> &Path {
        // That there is none is told when it is needed.
        let _ = mer_files::create_private_dir(&self.folder);
        &self.folder
    }

    /// Whether only this user and root can change what lies in the folder: bytes that were looked at could be others by the time
    /// that the model opens them.
    fn check_owner(&self) -> Result<(), DeliveryError> {
        let Ok(found) = fs::metadata(&self.folder) else { return Ok(()) };
        let distrusted = |why| DeliveryError::Distrusted { folder: self.folder.clone(), why };
        check_ownership(&found, true).map_err(distrusted)
    }

    /// The file of a version, to be read, where there is one here that is what it is called.
    pub(super) async fn open(&self, version: &WeightsVersion) -> Option<File> {
        self.check_owner().ok()?;
        if self.find(version).is_none() {
            let _lock = DeliveryLock::acquire(self.folder(), &lock_name(version)).await;
            self.look_again(version).await.ok()??;
        }
        mer_files::internal().read().open(self.path(version)).ok()
    }

    /// Has a version brought here anew the next time.
    pub(super) fn forget(&self, version: &WeightsVersion) {
        // Where there is none, nothing is to be done.
        let _ = fs::remove_file(self.path(version));
        self.record(version).forget();
    }

    fn path(&self, version: &WeightsVersion) -> PathBuf {
        self.folder.join(file_name(version))
    }

    fn record(&self, version: &WeightsVersion) -> Verified {
        Verified::of(&self.folder, &file_name(version))
    }

    /// The file of a version, where it has been delivered before and was not changed since; it was used now.
    fn find(&self, version: &WeightsVersion) -> Option<PathBuf> {
        let path = self.path(version);
        // Opening a pipe would wait for its writer.
        let is_it = |found: &Metadata| found.is_file() && found.len() == version.bytes && is_own(found);
        let found = fs::symlink_metadata(&path).ok().filter(is_it)?;
        let record = self.record(version);
        if !record.knows(&found) {
            return None;
        }
        record.used();
        Some(path)
    }

    /// Looks at the hash of a file that is there, and of which nothing is known, or not what it is now: its bytes may
    /// have been changed, or only its owner, or it was put there by an older MER. One that is not what it is called goes.
    async fn look_again(&self, version: &WeightsVersion) -> io::Result<Option<PathBuf>> {
        if let Some(path) = self.find(version) {
            return Ok(Some(path));
        }
        let path = self.path(version);
        let Ok(found) = fs::symlink_metadata(&path) else { return Ok(None) };
        if found.is_file() && found.len() == version.bytes {
            let file = mer_files::internal().read().open(&path)?;
            // Where it is another user's, that one can change it at any time.
            let _ = protect(&file);
            let then = file.metadata()?;
            if is_own(&then) && has_hash(&file, &version.sha256).await? {
                // Without a record it is looked at again the next time.
                let _ = self.record(version).note(&file, &then).await;
                return Ok(Some(path));
            }
        }
        tracing::warn!("the weights `{version}` in `{}` were changed, and are not used", path.display());
        self.record(version).forget();
        if found.is_dir() {
            fs::remove_dir(&path)?;
        } else {
            fs::remove_file(&path)?;
        }
        Ok(None)
    }

    /// The path of a version's file. It is brought here, unless it has been before.
    pub(super) async fn deliver(&self, version: &WeightsVersion, told: &Told) -> Result<PathBuf, DeliveryError> {
        self.check_owner()?;
        match self.find(version) {
            Some(path) => Ok(path),
            None => self.bring(version, told).await,
        }
    }

    async fn bring(&self, version: &WeightsVersion, told: &Told) -> Result<PathBuf, DeliveryError> {
        let cannot = |source| DeliveryError::Keep { version: version.to_string(), folder: self.folder.clone(), source };
        let unread = |source| DeliveryError::Database { version: version.to_string(), source };
        mer_files::create_private_dir(&self.folder).map_err(cannot)?;
        self.check_owner()?;
        let _lock = DeliveryLock::acquire(&self.folder, &lock_name(version)).await;
        if let Some(path) = self.look_again(version).await.map_err(cannot)? {
            return Ok(path);
        }
        let path = self.path(version);
        let temporary = self.folder.join(format!(".{}.{}", version.sha256, Uuid::now_v7()));
        let mut partial = AtomicFile::create(temporary, 0o400).map_err(cannot)?;
        let mut download = Download::new(&self.database, version);
        let mut count = 0;
        while let Some(bytes) = download.next().await.map_err(unread)? {
            partial.write_all(&bytes).map_err(cannot)?;
            count += bytes.len() as u64;
            told.brought(count);
        }
        protect(partial.file()).map_err(cannot)?;
        partial.file().sync_all().map_err(cannot)?;
        let file = partial.rename(&path).map_err(cannot)?;
        // Its hash was looked at as it came. Without a record it is looked at again the next time.
        let then = file.metadata().map_err(cannot)?;
        if let Err(error) = self.record(version).note(&file, &then).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "the record of the weights could not be written");
        }
        if let Err(error) = evict(&self.folder, self.limit.bytes(), SystemTime::now()) {
            tracing::debug!(error = &error as &dyn std::error::Error, "the folder of weights was not cleared");
        }
        Ok(path)
    }
}

/// Whether only this user and root can have written to a file.
pub(super) fn is_own(file: &Metadata) -> bool {
    check_ownership(file, false).is_ok()
}

/// Hash and format: programs go by the ending.
pub(super) fn file_name(version: &WeightsVersion) -> String {
    format!("{}.{}", version.sha256, version.format)
}

fn lock_name(version: &WeightsVersion) -> String {
    format!(".{}.lock", version.sha256)
}

/// Removes what was used longest ago, as far as there is more than there should be; and what others left half way. What
/// is not named as ours stays.
fn evict(folder: &Path, most: u64, now: SystemTime) -> io::Result<()> {
    let mut files = Vec::new();
    let mut all = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let whole = name.strip_prefix('.').is_none();
        let hash = name.trim_start_matches('.').split('.').next().unwrap_or_default();
        if hash.len() != 64 || !hash.bytes().all(|c| c.is_ascii_hexdigit()) {
            continue;
        }
        let Ok(found) = entry.metadata() else { continue };
        let record = Verified::of(folder, name);
        let used = record.last_used().map_or_else(|| found.modified(), Ok)?;
        all += found.len();
        if now.duration_since(used).is_ok_and(|idle| idle > IN_USE) {
            // First of all what is never asked for.
            files.push((whole, used, found.len(), name.to_owned()));
        }
    }
    files.sort();
    for (whole, _, bytes, name) in files {
        if whole && all <= most {
            break;
        }
        fs::remove_file(folder.join(&name))?;
        Verified::of(folder, &name).forget();
        all -= bytes;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_goes_first_and_what_is_in_use_stays() {
        let folder = tempfile::tempdir().expect("folder");
        let now = SystemTime::now();
        let name = |letter: &str| letter.repeat(64);
        let files = [
            (format!("{}.npy", name("a")), 9),
            (format!("{}.npy", name("b")), 10),
            (format!("{}.npy", name("c")), 0),
            (format!("{}.npy", name("d")), 5),
            (format!(".{}.half", name("e")), 3),
            (format!(".{}.going", name("f")), 0),
            ("somebody's".to_owned(), 99),
        ];
        for (name, hours) in files {
            let file = File::create(folder.path().join(&name)).expect(&name);
            file.set_len(100).expect(&name);
            file.set_modified(now - Duration::from_secs(hours * 3600)).expect(&name);
        }
        let left = || {
            let names = fs::read_dir(folder.path()).expect("folder").map(|entry| entry.expect("entry").file_name());
            let names = names.map(|name| name.to_string_lossy().trim_start_matches('.')[..1].to_owned());
            let mut names: Vec<String> = names.collect();
            names.sort();
            names.concat()
        };
        evict(folder.path(), 1000, now).expect("evicted");
        assert_eq!(left(), "abcdfs");
        evict(folder.path(), 350, now).expect("evicted");
        assert_eq!(left(), "cdfs");
        evict(folder.path(), 0, now).expect("evicted");
        assert_eq!(left(), "cfs");
    }
}
