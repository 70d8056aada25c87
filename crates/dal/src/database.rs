//! A place where MER keeps what it knows.

use std::{path::PathBuf, sync::Arc};

use mer_core::Registry;

#[cfg(feature = "postgres")]
use crate::postgres::PostgresServer;
#[cfg(any(feature = "postgres", feature = "surreal-server"))]
use crate::store::Driver;
#[cfg(feature = "surreal-server")]
use crate::surreal::SurrealServer;
use crate::{
    DalError, DbUrl, Session, Settings,
    embedded::{self, Memory, MemtableSize, Snapshot, SnapshotCache, SnapshotOrSession, paths::EnginePaths},
    journal::{self, Pending},
    location::Location,
    trust,
};

/// A database, wherever it is. Making one touches nothing; clones are the same place (and, for `mem://`, the same data).
#[derive(Debug, Clone)]
pub struct Database {
    settings: Settings,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    Embedded(Arc<EnginePaths>, Arc<SnapshotCache>),
    Memory(Arc<Memory>),
    #[cfg(feature = "postgres")]
    Postgres(Arc<PostgresServer>),
    #[cfg(feature = "surreal-server")]
    Surreal(Arc<SurrealServer>),
}

impl Database {
    /// The database of these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let place = match &settings.url {
            DbUrl::Embedded(folder) => Place::Embedded(Arc::new(EnginePaths::beside(folder)), Arc::default()),
            DbUrl::Memory => Place::Memory(Arc::new(Memory::new(&settings.scratch))),
            #[cfg(feature = "postgres")]
            DbUrl::Postgres { url, journal } => Place::Postgres(Arc::new(PostgresServer::new(url, journal, &settings))),
            #[cfg(feature = "surreal-server")]
            DbUrl::Surreal { url, journal } => Place::Surreal(Arc::new(SurrealServer::new(url, journal, &settings))),
        };
        Self { settings, place }
    }

    /// What it was made from.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Opens the database. Embedded, this is a lease: nobody else gets in until it is closed, so do what is to be done
    /// and close it, within a second or so.
    ///
    /// # Errors
    /// [`DalError::Busy`] when the wait ran out; [`DalError::Folder`], [`DalError::Lock`], [`DalError::Foreign`],
    /// [`DalError::Open`] when it cannot be opened at all. On a server [`DalError::Unreachable`], [`DalError::Refused`],
    /// [`DalError::NoDatabase`] and [`DalError::TooOld`]: its connections are kept, and a session is only a look at one.
    pub async fn session(&self) -> Result<Session, DalError> {
        self.session_with(MemtableSize::Usual).await
    }

    /// One with so much room, where the engine is in this process.
    pub(crate) async fn session_with(&self, room: MemtableSize) -> Result<Session, DalError> {
        match &self.place {
            Place::Embedded(files, _) => embedded::lease(self, Arc::clone(files), room).await,
            Place::Memory(memory) => memory.session(self).await,
            #[cfg(feature = "postgres")]
            Place::Postgres(server) => {
                trust::check_folder(server.journal_dir())?;
                Ok(Session::new(crate::Store(Driver::Postgres(server.store().await?)), self.clone(), None))
            }
            #[cfg(feature = "surreal-server")]
            Place::Surreal(server) => {
                trust::check_folder(server.journal_dir())?;
                Ok(Session::new(crate::Store(Driver::Surreal(server.store().await?)), self.clone(), None))
            }
        }
    }

    /// The registry as the last lease left it, where nobody has written to the database since. Opens no engine, takes
    /// no lock, waits for nobody; a second look while nothing has changed costs one call of the system. Nothing: open a session.
    #[must_use]
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        match &self.place {
            Place::Embedded(files, cache) => cache.load(files),
            Place::Memory(_) => None,
            #[cfg(feature = "postgres")]
            Place::Postgres(_) => None,
            #[cfg(feature = "surreal-server")]
            Place::Surreal(_) => None,
        }
    }

    /// The snapshot where it holds, also one that somebody leaves who has the engine open now; a session otherwise.
    ///
    /// # Errors
    /// As [`Database::session`].
    pub async fn snapshot_or_session(&self) -> Result<SnapshotOrSession, DalError> {
        if let Some(snapshot) = self.snapshot() {
            return Ok(SnapshotOrSession::Snapshot(snapshot));
        }
        match &self.place {
            Place::Embedded(files, cache) => embedded::lease_or_snapshot(self, Arc::clone(files), cache).await,
            _ => Ok(SnapshotOrSession::Session(Box::new(self.session().await?))),
        }
    }

    /// The folder of this database's journal. It need not exist.
    #[must_use]
    pub fn journal_dir(&self) -> PathBuf {
        match &self.place {
            Place::Embedded(files, _) => files.journal.clone(),
            Place::Memory(memory) => memory.journal_dir().to_path_buf(),
            #[cfg(feature = "postgres")]
            Place::Postgres(server) => server.journal_dir().to_path_buf(),
            #[cfg(feature = "surreal-server")]
            Place::Surreal(server) => server.journal_dir().to_path_buf(),
        }
    }

    /// Whether there may be anything in it. An embedded database that has never been opened is not there, and to look
    /// does not make it; of one on a server this says nothing.
    #[must_use]
    pub fn is_there(&self) -> bool {
        match &self.place {
            Place::Embedded(files, _) => {
                // What cannot be read is found out by whoever opens it.
                std::fs::read_dir(&files.engine).map_or_else(
                    |error| error.kind() != std::io::ErrorKind::NotFound,
                    |mut entries| entries.next().is_some(),
                )
            }
            _ => true,
        }
    }

    /// Where the database is: of one on a server where it was found when its uid was last read, see
    /// [`crate::Store::database_uid`].
    #[must_use]
    pub fn location(&self) -> Option<Location> {
        match &self.place {
            Place::Embedded(files, _) => Some(Location::of_folder(&files.engine)),
            Place::Memory(_) => None,
            #[cfg(feature = "postgres")]
            Place::Postgres(server) => server.location(),
            #[cfg(feature = "surreal-server")]
            Place::Surreal(server) => Some(server.location()),
        }
    }

    /// How much waits in the journal folder to be drained. Looks at names and sizes only.
    #[must_use]
    pub fn pending(&self) -> Pending {
        journal::pending(&self.journal_dir())
    }

    /// Servers and models, from the snapshot where it holds, from a session otherwise.
    ///
    /// # Errors
    /// As [`Database::session`], and those of reading.
    pub async fn registry(&self) -> Result<Registry, DalError> {
        match self.snapshot_or_session().await? {
            SnapshotOrSession::Snapshot(snapshot) => Ok(snapshot.registry()),
            SnapshotOrSession::Session(session) => {
                let registry = session.registry().await;
                session.close().await?;
                registry
            }
        }
    }
}
