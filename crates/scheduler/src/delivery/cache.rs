//! The folder of delivered weights on this machine.

use std::{
    fs::{self, File, Metadata},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use mer_core::{Size, WeightsVersion};
use mer_dal::{Database, Download, check_ownership};
use mer_files::AtomicFile;
use uuid::Uuid;

use super::{
    error::DeliveryError,
    eviction::evict,
    lock::DeliveryLock,
    progress::DeliveryProgress,
    verified::{VerifiedRecord, has_hash, is_own, protect},
};

/// The folder of delivered weights on this machine, filled from the database. Nothing is touched before the first delivery.
///
/// Files are named by hash and format, are read-only, and appear complete or not at all. A file that was changed after its
/// hash was verified is not used, and is downloaded again.
#[derive(Debug, Clone)]
pub struct WeightsCache {
    database: Database,
    folder: PathBuf,
    limit: Size,
}

impl WeightsCache {
    /// Caches weights of `database` in `folder`. Beyond `limit` the least recently used ones are removed.
    #[must_use]
    pub const fn new(database: Database, folder: PathBuf, limit: Size) -> Self {
        Self { database, folder, limit }
    }

    pub(crate) const fn database(&self) -> &Database {
        &self.database
    }

    pub(super) const fn limit(&self) -> Size {
        self.limit
    }

    /// Returns the folder, and creates it if possible.
    pub(super) fn folder(&self) -> &Path {
        // An error is reported when a file is written to the folder.
        let _ = mer_files::create_private_dir(&self.folder);
        &self.folder
    }

    /// Checks that only this user and root can change the content of the folder. Otherwise verified files could be replaced
    /// before the model opens them.
    fn check_owner(&self) -> Result<(), DeliveryError> {
        let Ok(found) = fs::metadata(&self.folder) else { return Ok(()) };
        let distrusted = |why| DeliveryError::Distrusted { folder: self.folder.clone(), why };
        check_ownership(&found, true).map_err(distrusted)
    }

    /// Opens the file of a version for reading, if it is here and has the right hash.
    pub(super) async fn open(&self, version: &WeightsVersion) -> Option<File> {
        self.check_owner().ok()?;
        if self.lookup(version).is_none() {
            let _lock = DeliveryLock::acquire(self.folder(), &lock_name(version)).await;
            self.verify(version).await.ok()??;
        }
        mer_files::internal().read().open(self.path(version)).ok()
    }

    /// Removes the file of a version, so that the next delivery downloads it.
    pub(super) fn forget(&self, version: &WeightsVersion) {
        // A missing file is fine.
        let _ = fs::remove_file(self.path(version));
        self.record(version).remove();
    }

    fn path(&self, version: &WeightsVersion) -> PathBuf {
        self.folder.join(file_name(version))
    }

    fn record(&self, version: &WeightsVersion) -> VerifiedRecord {
        VerifiedRecord::of(&self.folder, &file_name(version))
    }

    /// Returns the file of a version if its hash was verified and it has not been changed since. Marks it as used now.
    fn lookup(&self, version: &WeightsVersion) -> Option<PathBuf> {
        let path = self.path(version);
        // Looks at metadata only: reading the file is slow, and opening a pipe would block.
        let is_candidate = |found: &Metadata| found.is_file() && found.len() == version.bytes && is_own(found);
        let found = fs::symlink_metadata(&path).ok().filter(is_candidate)?;
        let record = self.record(version);
        if !record.matches(&found) {
            return None;
        }
        record.mark_used();
        Some(path)
    }

    /// Returns the file of a version if its hash is right. A file without a matching record is hashed: its content or its
    /// owner may have been changed, or an older MER put it there. A file with another hash is removed.
    async fn verify(&self, version: &WeightsVersion) -> io::Result<Option<PathBuf>> {
        if let Some(path) = self.lookup(version) {
            return Ok(Some(path));
        }
        let path = self.path(version);
        let Ok(found) = fs::symlink_metadata(&path) else { return Ok(None) };
        if found.is_file() && found.len() == version.bytes {
            let file = mer_files::internal().read().open(&path)?;
            // Fails for a file of another user, which `is_own` refuses then.
            let _ = protect(&file);
            let metadata = file.metadata()?;
            if is_own(&metadata) && has_hash(&file, &version.sha256).await? {
                // Without a record the file is hashed again the next time.
                let _ = self.record(version).write(&file, &metadata).await;
                return Ok(Some(path));
            }
        }
        tracing::warn!("the weights `{version}` in `{}` were changed, and are not used", path.display());
        self.record(version).remove();
        if found.is_dir() {
            fs::remove_dir(&path)?;
        } else {
            fs::remove_file(&path)?;
        }
        Ok(None)
    }

    /// Returns the path of a version's file, and downloads it unless it is here.
    pub(super) async fn deliver(
        &self,
        version: &WeightsVersion,
        progress: &DeliveryProgress,
    ) -> Result<PathBuf, DeliveryError> {
        self.check_owner()?;
        match self.lookup(version) {
            Some(path) => Ok(path),
            None => self.download(version, progress).await,
        }
    }

    async fn download(&self, version: &WeightsVersion, progress: &DeliveryProgress) -> Result<PathBuf, DeliveryError> {
        let cannot =
            |source| DeliveryError::Cache { version: version.to_string(), folder: self.folder.clone(), source };
        let read_failed = |source| DeliveryError::Database { version: version.to_string(), source };
        mer_files::create_private_dir(&self.folder).map_err(cannot)?;
        self.check_owner()?;
        let _lock = DeliveryLock::acquire(&self.folder, &lock_name(version)).await;
        if let Some(path) = self.verify(version).await.map_err(cannot)? {
            return Ok(path);
        }
        let path = self.path(version);
        let temporary = self.folder.join(format!(".{}.{}", version.sha256, Uuid::now_v7()));
        let mut partial = AtomicFile::create(temporary, 0o400).map_err(cannot)?;
        let mut download = Download::new(&self.database, version);
        let mut count = 0;
        while let Some(bytes) = download.next().await.map_err(read_failed)? {
            partial.write_all(&bytes).map_err(cannot)?;
            count += bytes.len() as u64;
            progress.transferred(count);
        }
        protect(partial.file()).map_err(cannot)?;
        partial.file().sync_all().map_err(cannot)?;
        let file = partial.rename(&path).map_err(cannot)?;
        // The download has verified the hash. Without a record the file is hashed again the next time.
        let metadata = file.metadata().map_err(cannot)?;
        if let Err(error) = self.record(version).write(&file, &metadata).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "the record of the weights could not be written");
        }
        if let Err(error) = evict(&self.folder, self.limit.bytes(), SystemTime::now()) {
            tracing::debug!(error = &error as &dyn std::error::Error, "the folder of weights was not cleared");
        }
        Ok(path)
    }
}

/// Returns the name of a version's file: hash and format, because programs expect an extension.
pub(super) fn file_name(version: &WeightsVersion) -> String {
    format!("{}.{}", version.sha256, version.format)
}

fn lock_name(version: &WeightsVersion) -> String {
    format!(".{}.lock", version.sha256)
}
