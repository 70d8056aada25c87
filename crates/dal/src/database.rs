//! A database, by its settings.

use std::{path::PathBuf, sync::Arc};

#[cfg(feature = "postgres")]
use crate::postgres::PostgresServer;
#[cfg(feature = "surreal-server")]
use crate::surreal::SurrealServer;
use crate::{
    DbUrl, Settings, Snapshot,
    embedded::{Memory, SnapshotCache, paths::EnginePaths},
    journal::{self, Pending},
    location::Location,
};

/// A database. Making one touches neither disk nor network; clones are the same database (for `mem://` with the same
/// data).
#[derive(Debug, Clone)]
pub struct Database {
    settings: Settings,
    instance: Instance,
}

/// What is kept for a database while no session is open on it.
#[derive(Debug, Clone)]
pub(crate) enum Instance {
    Embedded(Arc<EnginePaths>, Arc<SnapshotCache>),
    Memory(Arc<Memory>),
    #[cfg(feature = "postgres")]
    Postgres(Arc<PostgresServer>),
    #[cfg(feature = "surreal-server")]
    Surreal(Arc<SurrealServer>),
}

impl Database {
    /// Makes the database of these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let instance = match &settings.url {
            DbUrl::Embedded(folder) => Instance::Embedded(Arc::new(EnginePaths::beside(folder)), Arc::default()),
            DbUrl::Memory => Instance::Memory(Arc::new(Memory::new(&settings.scratch))),
            #[cfg(feature = "postgres")]
            DbUrl::Postgres { url, journal } => {
                Instance::Postgres(Arc::new(PostgresServer::new(url, journal, &settings)))
            }
            #[cfg(feature = "surreal-server")]
            DbUrl::Surreal { url, journal } => Instance::Surreal(Arc::new(SurrealServer::new(url, journal, &settings))),
        };
        Self { settings, instance }
    }

    /// Returns the settings that it was made from.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) const fn instance(&self) -> &Instance {
        &self.instance
    }

    /// Returns the registry as the last lease left it, if the database has not been written to since. Opens no engine, takes
    /// no lock and does not wait; while nothing has changed, a second call costs one system call. If it returns `None`, open
    /// a session.
    #[must_use]
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        match &self.instance {
            Instance::Embedded(files, cache) => cache.load(files),
            Instance::Memory(_) => None,
            #[cfg(feature = "postgres")]
            Instance::Postgres(_) => None,
            #[cfg(feature = "surreal-server")]
            Instance::Surreal(_) => None,
        }
    }

    /// Returns the folder of this database's journal. It need not exist.
    #[must_use]
    pub fn journal_dir(&self) -> PathBuf {
        match &self.instance {
            Instance::Embedded(files, _) => files.journal.clone(),
            Instance::Memory(memory) => memory.journal_dir().to_path_buf(),
            #[cfg(feature = "postgres")]
            Instance::Postgres(server) => server.journal_dir().to_path_buf(),
            #[cfg(feature = "surreal-server")]
            Instance::Surreal(server) => server.journal_dir().to_path_buf(),
        }
    }

    /// Returns whether the database may have any content: false only for an embedded database that was never opened. Does
    /// not create anything.
    #[must_use]
    pub fn is_there(&self) -> bool {
        match &self.instance {
            Instance::Embedded(files, _) => {
                // A folder that cannot be read counts: opening the database reports why.
                std::fs::read_dir(&files.engine).map_or_else(
                    |error| error.kind() != std::io::ErrorKind::NotFound,
                    |mut entries| entries.next().is_some(),
                )
            }
            _ => true,
        }
    }

    /// Returns where the database is; on a server where it was found when its uid was last read, see
    /// [`crate::Store::database_uid`].
    #[must_use]
    pub fn location(&self) -> Option<Location> {
        match &self.instance {
            Instance::Embedded(files, _) => Some(Location::of_folder(&files.engine)),
            Instance::Memory(_) => None,
            #[cfg(feature = "postgres")]
            Instance::Postgres(server) => server.location(),
            #[cfg(feature = "surreal-server")]
            Instance::Surreal(server) => Some(server.location()),
        }
    }

    /// Returns how much waits in the journal folder to be drained. Reads names and sizes of files only.
    #[must_use]
    pub fn pending(&self) -> Pending {
        journal::pending(&self.journal_dir())
    }
}
