//! A session: the time during which a database is open.

use std::{
    ops::Deref,
    sync::Arc,
    time::{Duration, Instant},
};

use mer_core::Registry;

#[cfg(feature = "postgres")]
use crate::postgres::PostgresStore;
#[cfg(feature = "surreal-server")]
use crate::surreal::SurrealStore;
use crate::{
    DalError, Database, Snapshot, Store,
    database::Instance,
    embedded::{self, Lease, MemtableSize, Opened},
};
#[cfg(any(feature = "postgres", feature = "surreal-server"))]
use crate::{store::Driver, trust};

/// How long bulk work keeps a session before it closes and reopens it. With a batch on top this stays below a second.
const BULK_LIMIT: Duration = Duration::from_millis(600);

/// An open database; through it a [`Store`] is reached.
///
/// [`Session::close`] waits until everything is released. A session that is dropped instead (a cancelled task, a panic) is
/// closed in the background, in the same order, by the thread that owns the engine: the next lease is given out only
/// after that. Only an error of closing is lost then.
#[derive(Debug)]
pub struct Session {
    store: Store,
    database: Database,
    lease: Option<Lease>,
    opened: Instant,
}

/// The registry of a database from its snapshot, or the open database.
#[derive(Debug)]
pub enum SnapshotOrSession {
    /// The registry as the last lease left it.
    Snapshot(Arc<Snapshot>),
    /// The open database. Close it as any other session.
    Session(Box<Session>),
}

impl Session {
    fn new(store: Store, database: Database, lease: Option<Lease>) -> Self {
        Self { store, database, lease, opened: Instant::now() }
    }

    /// Returns the database that this session is open on.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// Returns whether bulk work should close the session: it has been open for long enough to let other processes in, or
    /// is full. Check it before every batch.
    #[must_use]
    pub fn should_yield(&self) -> bool {
        self.opened.elapsed() > BULK_LIMIT || self.is_full()
    }

    /// Returns whether so much has been written that bulk work must close the session: more would be lost if this process
    /// were killed.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.lease.as_ref().is_some_and(Lease::is_used_up)
    }

    /// Closes the database and opens it again, so that other processes get it in between.
    ///
    /// # Errors
    /// As [`Session::close`] and [`Database::session`].
    pub async fn renew(self) -> Result<Self, DalError> {
        let database = self.database.clone();
        let memtable = self.lease.as_ref().map_or(MemtableSize::Usual, Lease::memtable);
        self.close().await?;
        database.session_with(memtable).await
    }

    /// Closes the database. Embedded: waits for running operations, writes the snapshot, closes the engine, waits until
    /// it has released its files, and gives up the lease.
    ///
    /// # Errors
    /// [`DalError::Close`] if the engine does not release its files; what was written is safe all the same.
    pub async fn close(self) -> Result<(), DalError> {
        let Self { store, lease, .. } = self;
        drop(store);
        match lease {
            Some(lease) => lease.close().await,
            None => Ok(()),
        }
    }
}

impl Deref for Session {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Database {
    /// Opens the database. An embedded database is leased: no other process can open it until the session is closed, so
    /// keep the session for a second or so at most.
    ///
    /// # Errors
    /// [`DalError::Busy`] if the wait ran out; [`DalError::Folder`], [`DalError::Lock`], [`DalError::Foreign`],
    /// [`DalError::Open`] if it cannot be opened at all. On a server [`DalError::Unreachable`], [`DalError::Refused`],
    /// [`DalError::NoDatabase`] and [`DalError::TooOld`]; connections to a server outlive the session.
    pub async fn session(&self) -> Result<Session, DalError> {
        self.session_with(MemtableSize::Usual).await
    }

    /// Opens the database with a memtable of this size, if the engine is in this process.
    pub(crate) async fn session_with(&self, memtable: MemtableSize) -> Result<Session, DalError> {
        let (store, lease) = match self.instance() {
            Instance::Embedded(files, _) => {
                let (store, lease) = embedded::open(Arc::clone(files), self.settings().wait, memtable).await?;
                (store, Some(lease))
            }
            Instance::Memory(memory) => (memory.store().await?, None),
            #[cfg(feature = "postgres")]
            Instance::Postgres(server) => {
                trust::check_folder(server.journal_dir())?;
                (Store(Driver::Postgres(PostgresStore::on_server(server).await?)), None)
            }
            #[cfg(feature = "surreal-server")]
            Instance::Surreal(server) => {
                trust::check_folder(server.journal_dir())?;
                (Store(Driver::Surreal(SurrealStore::on_server(server).await?)), None)
            }
        };
        Ok(Session::new(store, self.clone(), lease))
    }

    /// Returns the snapshot if it is valid, also if a process that has the engine open now leaves a valid one; opens a
    /// session otherwise.
    ///
    /// # Errors
    /// As [`Database::session`].
    pub async fn snapshot_or_session(&self) -> Result<SnapshotOrSession, DalError> {
        if let Some(snapshot) = self.snapshot() {
            return Ok(SnapshotOrSession::Snapshot(snapshot));
        }
        let session = match self.instance() {
            Instance::Embedded(files, cache) => {
                match embedded::open_or_load(Arc::clone(files), self.settings().wait, cache).await? {
                    Opened::Snapshot(snapshot) => return Ok(SnapshotOrSession::Snapshot(snapshot)),
                    Opened::Engine(store, lease) => Session::new(store, self.clone(), Some(lease)),
                }
            }
            _ => self.session().await?,
        };
        Ok(SnapshotOrSession::Session(Box::new(session)))
    }

    /// Returns servers and models, from the snapshot if it is valid and from a session otherwise.
    ///
    /// # Errors
    /// As [`Database::session`] and [`Store::servers`].
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
