//! The connections of one database.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::PgConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    PostgresStore, PostgresUrl,
    connect::{self, Purpose},
    location::Seen,
    target::Target,
};
use crate::{DalError, ServerSettings, Settings, location::Location};

/// One database on a server, for the life of the process.
#[derive(Debug)]
pub(crate) struct PostgresServer {
    url: PostgresUrl,
    /// The URL as messages show it.
    name: String,
    journal: PathBuf,
    pub(super) settings: ServerSettings,
    pub(super) wait: Duration,
    idle: Mutex<Vec<Connection>>,
    seen: Mutex<Seen>,
    permits: Arc<Semaphore>,
}

/// A connection, and to whom.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) raw: PgConnection,
    pub(super) target: Arc<Target>,
}

/// A connection in use. Only one that is given back is used again: what is dropped in the middle of something is closed.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) connection: Connection,
    _permit: OwnedSemaphorePermit,
}

impl PostgresServer {
    pub(crate) fn new(url: &PostgresUrl, journal: &Path, settings: &Settings) -> Self {
        #[cfg(feature = "surreal-server")]
        crate::crypto::settle();
        Self {
            name: url.to_string(),
            url: url.clone(),
            journal: journal.to_path_buf(),
            permits: Arc::new(Semaphore::new(settings.server.connections.max(1))),
            settings: settings.server.clone(),
            wait: settings.wait,
            idle: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    /// A store, once the server has been seen.
    pub(crate) async fn store(self: &Arc<Self>) -> Result<PostgresStore, DalError> {
        let held = self.take("open it").await?;
        self.give_back(held);
        Ok(PostgresStore::new(Arc::clone(self)))
    }

    pub(crate) fn journal_dir(&self) -> &Path {
        &self.journal
    }

    /// Whether prepared statements are kept. If not, none may have a name: through a pooler it would meet its likes.
    pub(super) fn keeps_statements(&self) -> bool {
        match self.url.get("statementCache") {
            Some(value) => value == "on",
            None => self.settings.statement_cache,
        }
    }

    /// The URL as messages show it.
    pub(super) fn name(&self) -> String {
        self.name.clone()
    }

    /// A connection that was made before, or a new one.
    pub(super) async fn take(&self, operation: &'static str) -> Result<Held, DalError> {
        let late = |_| DalError::Late { operation, database: self.name(), waited: self.wait };
        let permit = Arc::clone(&self.permits).acquire_owned();
        let permit = tokio::time::timeout(self.wait, permit).await.map_err(late)?;
        let permit = permit.map_err(|_| DalError::Gone { operation })?;
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => {
                let bound = self.settings.call_timeout;
                self.connect(Purpose { statement: bound, lock: bound }).await?
            }
        };
        Ok(Held { connection, _permit: permit })
    }

    /// A connection of its own, for whoever asks.
    pub(super) async fn connect(&self, purpose: Purpose) -> Result<Connection, DalError> {
        // Each time anew: a password file may have been changed.
        let target = Target::of(&self.url, &self.settings)?;
        let raw = connect::connect(&target, &self.name, purpose, self.wait).await?;
        self.seen().connected(&target);
        Ok(Connection { raw, target: Arc::new(target) })
    }

    /// To be called with a connection that has nothing open.
    pub(super) fn give_back(&self, held: Held) {
        self.idle().push(held.connection);
    }

    /// Closes what is idle: the server that it belonged to is gone.
    pub(super) fn forget(&self) {
        self.idle().clear();
    }

    /// Where the database was when its uid was last read.
    pub(crate) fn location(&self) -> Option<Location> {
        self.seen().location.clone()
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
