//! Snapshot of the registry beside the database; with it, most commands need no engine.
//!
//! It holds the registry, the aliases of weights with the versions that they name, the newest versions, and a
//! fingerprint of the engine's files. A reader trusts the content if the fingerprint matches the files. That is safe
//! whichever program writes to the database, with our lease or without:
//!
//! - Opening the engine rewrites its file `LOCK` before anything else. So the time of `LOCK` in a fingerprint
//!   identifies one opening, and a reader that finds it unchanged knows that the database has not been opened since:
//!   the content was true at that moment. The other files of the fingerprint protect against restored backups and the
//!   like.
//! - The fingerprint is taken after the engine has closed, while we hold its `LOCK`: no other process has the engine
//!   open.
//! - `LOCK` must still be as *our* opening left it; otherwise another process had the engine open in between, and no
//!   snapshot is written.
//! - The content was read after the last write of the lease, while no operation was running.
//! - File times move in clock ticks. A snapshot is written only when `LOCK` is older than a tick, so that the next
//!   opening cannot leave the same time.
//!
//! A lease that found a valid snapshot and changed neither registry nor schema does not read the content again: only
//! the fingerprint is replaced.

use mer_core::{Alias, Model, Registry, Server, WeightsVersion};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    fingerprint::{Fingerprint, LockMark},
    paths::EnginePaths,
};
use crate::{
    Applied,
    backend::{AliasBackend as _, MigrationBackend as _, RegistryBackend as _},
    surreal::SurrealStore,
};

/// Format number of the file.
const FORMAT: u32 = 3;

/// Number of versions besides those that aliases name; every run reads all of them.
const VERSIONS: u32 = 100;

/// Content of a database that most commands need. Times are kept to the microsecond when it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Uid of the database.
    pub database_uid: Uuid,
    /// Number of the last of MER's scripts that was applied.
    pub schema_version: u32,
    /// Servers by name. See [`Snapshot::sorted`].
    pub servers: Vec<Server>,
    /// Models by name.
    pub models: Vec<Model>,
    /// Aliases of their weights, with the versions that they name.
    pub weights: Vec<(Alias, WeightsVersion)>,
    /// The newest versions, newest first. Older versions may exist that are not listed here.
    pub versions: Vec<WeightsVersion>,
}

#[derive(Deserialize)]
struct Head {
    format: u32,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    #[serde(rename = "stamp")]
    fingerprint: Fingerprint,
    content: Snapshot,
}

impl Snapshot {
    /// Loads the snapshot, if there is a valid one.
    pub(crate) fn load(files: &EnginePaths) -> Option<Self> {
        // Files that another user can have written are ignored here, and refused when the database is opened.
        files.check().ok()?;
        let text = mer_files::read_internal(&files.snapshot).ok()?;
        let head: Head = serde_json::from_slice(&text).ok()?;
        if head.format != FORMAT {
            return None;
        }
        let stored: Stored = serde_json::from_slice(&text).ok()?;
        // Compared after reading: the content is true at the moment at which the fingerprint is taken.
        (Fingerprint::of(&files.engine).ok()? == stored.fingerprint).then(|| stored.content.sorted())
    }

    /// Returns the same content in the order in which it is searched, which is that of the database: bytes of names.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.servers.sort_by(|one, other| one.name.cmp(&other.name));
        self.models.sort_by(|one, other| one.name.cmp(&other.name));
        self.weights.sort_by(|(one, _), (other, _)| one.model.cmp(&other.model));
        self
    }

    /// Returns servers and models as `mer export` writes them.
    #[must_use]
    pub fn registry(&self) -> Registry {
        Registry::of(&self.servers, &self.models)
    }

    /// Returns the server of this name.
    #[must_use]
    pub fn server(&self, name: &str) -> Option<&Server> {
        let found = self.servers.binary_search_by(|server| server.name.as_str().cmp(name));
        found.ok().map(|index| &self.servers[index])
    }

    /// Returns the model of this name.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.model_index(name).map(|index| &self.models[index])
    }

    /// Returns the place of the model of this name.
    #[must_use]
    pub fn model_index(&self, name: &str) -> Option<usize> {
        self.models.binary_search_by(|model| model.name.as_str().cmp(name)).ok()
    }

    /// Returns the version of this number, if the snapshot has it.
    #[must_use]
    pub fn version(&self, model: &str, number: u64) -> Option<&WeightsVersion> {
        let named = self.aliases(model).iter().map(|(_, version)| version);
        named.chain(&self.versions).find(|version| version.model == model && version.version == number)
    }

    /// Returns the version that an alias of a model's weights names.
    #[must_use]
    pub fn alias(&self, model: &str, name: &str) -> Option<&WeightsVersion> {
        self.aliases(model).iter().find(|(alias, _)| alias.name == name).map(|(_, version)| version)
    }

    /// Returns the aliases of a model's weights.
    fn aliases(&self, model: &str) -> &[(Alias, WeightsVersion)] {
        let first = self.weights.partition_point(|(alias, _)| alias.model.as_str() < model);
        let behind = self.weights.partition_point(|(alias, _)| alias.model.as_str() <= model);
        &self.weights[first..behind]
    }
}

/// Reads the content. Returns `None` if the database has no schema, or the schema of another MER.
pub(super) async fn read(store: SurrealStore) -> Option<Snapshot> {
    let read = async {
        // Scripts of an organisation do not count: their numbers say nothing about MER's schema.
        let last = |applied: Vec<Applied>| applied.iter().rfind(|row| !row.own).map(|row| row.number);
        let schema_version = store.applied().await?.and_then(last);
        let Some(schema_version) = schema_version else { return Ok(None) };
        let database_uid = store.database_uid().await?;
        let (servers, models) = (store.servers().await?, store.models().await?);
        let versions = store.newest_versions(&models, VERSIONS).await?;
        let weights = store.named_versions(&models).await?;
        let content = Snapshot { database_uid, schema_version, servers, models, weights, versions };
        Ok::<_, crate::DalError>(Some(content.sorted()))
    };
    read.await.unwrap_or_else(|error| {
        tracing::debug!(error = &error as &dyn std::error::Error, "no snapshot of the registry");
        None
    })
}

/// Writes the snapshot. Call it with the engine closed and its lock held.
pub(super) async fn save(files: &EnginePaths, content: Snapshot, opened: Option<LockMark>) {
    let Some(opened) = opened else { return };
    tokio::time::sleep(opened.settles_in()).await;
    if LockMark::of(&files.engine_lock).as_ref() != Some(&opened) {
        tracing::debug!("another process had the database open: no snapshot");
        return;
    }
    let write = || {
        let stored = Stored { format: FORMAT, fingerprint: Fingerprint::of(&files.engine)?, content };
        mer_files::replace(&files.snapshot, &serde_json::to_vec(&stored)?)
    };
    // Everything works without a snapshot, only slower.
    if let Err(error) = write() {
        tracing::debug!(error = &error as &dyn std::error::Error, "the snapshot could not be written");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn content(schema_version: u32) -> Snapshot {
        Snapshot {
            database_uid: Uuid::nil(),
            schema_version,
            servers: Vec::new(),
            models: Vec::new(),
            weights: Vec::new(),
            versions: Vec::new(),
        }
    }

    #[tokio::test]
    async fn it_is_not_written_when_the_engine_was_opened_in_between() {
        let folder = tempfile::tempdir().unwrap();
        let files = EnginePaths::beside(&folder.path().join("db"));
        fs::create_dir_all(files.engine.join("wal")).unwrap();
        fs::write(&files.engine_lock, "1\n").unwrap();
        let ours = LockMark::of(&files.engine_lock);
        save(&files, content(1), ours.clone()).await;
        assert_eq!(Snapshot::load(&files), Some(content(1)));

        // Another opening, of the same pid: at once after ours, which is why saving waits for the clock to tick.
        fs::write(&files.engine_lock, "1\n").unwrap();
        assert_eq!(Snapshot::load(&files), None);
        save(&files, content(2), ours).await;
        assert_eq!(Snapshot::load(&files), None);
        save(&files, content(3), LockMark::of(&files.engine_lock)).await;
        assert_eq!(Snapshot::load(&files), Some(content(3)));

        // Anything else that is new, gone or larger.
        fs::write(files.engine.join("wal/1.wal"), "").unwrap();
        assert_eq!(Snapshot::load(&files), None);
        fs::remove_file(files.engine.join("wal/1.wal")).unwrap();
        assert_eq!(Snapshot::load(&files), Some(content(3)));
    }
}
