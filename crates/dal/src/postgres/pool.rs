//! Connections to one database.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::PgConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    connect::{self, Purpose},
    connection_params::ConnectionParams,
    script_session::ServerProcess,
    server_location::ServerLocation,
    url::PostgresUrl,
};
use crate::{DalError, ServerSettings, Settings, location::Location};

/// Time that a statement may take after it got a lock at the last moment.
const BEHIND_A_LOCK: Duration = Duration::from_secs(2);

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
    script: Mutex<Option<ServerProcess>>,
    seen: Mutex<ServerLocation>,
    permits: Arc<Semaphore>,
}

/// A connection and its parameters.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) raw: PgConnection,
    pub(super) target: Arc<ConnectionParams>,
}

/// A connection in use. Only a connection that is given back is reused; one that is dropped in the middle of a call is
/// closed.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) connection: Connection,
    _permit: OwnedSemaphorePermit,
}

impl PostgresServer {
    pub(crate) fn new(url: &PostgresUrl, journal: &Path, settings: &Settings) -> Self {
        crate::tls_provider::install();
        Self {
            name: url.to_string(),
            url: url.clone(),
            journal: journal.to_path_buf(),
            permits: Arc::new(Semaphore::new(settings.server.connections.max(1))),
            settings: settings.server.clone(),
            wait: settings.wait,
            idle: Mutex::default(),
            script: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    pub(crate) fn journal_dir(&self) -> &Path {
        &self.journal
    }

    /// Returns whether prepared statements are kept. If not, none may have a name: through a pooler it would collide
    /// with others of that name.
    pub(super) fn keeps_statements(&self) -> bool {
        match self.url.get("statementCache") {
            Some(value) => value == "on",
            None => self.settings.statement_cache,
        }
    }

    /// Returns the database user.
    pub(super) fn user(&self) -> Result<String, DalError> {
        ConnectionParams::of(&self.url, &self.settings).map(|target| target.user)
    }

    /// The URL as messages show it.
    pub(super) fn name(&self) -> String {
        self.name.clone()
    }

    /// Takes an idle connection, or makes a new one.
    pub(super) async fn take(&self, operation: &'static str) -> Result<Held, DalError> {
        let late = |_| DalError::Late { operation, database: self.name(), waited: self.wait };
        let permit = Arc::clone(&self.permits).acquire_owned();
        let permit = tokio::time::timeout(self.wait, permit).await.map_err(late)?;
        let permit = permit.map_err(|_| DalError::Gone { operation })?;
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect(self.call_purpose()).await?,
        };
        Ok(Held { connection, _permit: permit })
    }

    /// Returns the bound on one statement, including waits for locks. If a lock may be waited for longer than a call
    /// usually lasts, the wait counts.
    pub(super) fn call_bound(&self) -> Duration {
        self.settings.call_timeout.max(self.wait.saturating_add(BEHIND_A_LOCK))
    }

    /// Returns the purpose of connections for calls that read and change rows.
    fn call_purpose(&self) -> Purpose {
        Purpose { statement: self.call_bound(), lock: self.wait, script: false }
    }

    /// Returns the purpose of connections for migration scripts.
    pub(super) fn script_purpose(&self) -> Purpose {
        Purpose { statement: self.settings.script_timeout, lock: self.wait, script: true }
    }

    /// Notes the process of the server that runs a script now.
    pub(super) fn script_runs(&self, backend: Option<ServerProcess>) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = backend;
    }

    /// Takes the process of the server that was running a script when it was last noted.
    pub(super) fn take_script(&self) -> Option<ServerProcess> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Makes a connection outside of the pool.
    pub(super) async fn connect(&self, purpose: Purpose) -> Result<Connection, DalError> {
        // Resolved for each connection: a password file may have been changed.
        let target = ConnectionParams::of(&self.url, &self.settings)?;
        let raw = connect::connect(&target, &self.name, purpose, self.wait).await?;
        self.seen().connected(&target);
        Ok(Connection { raw, target: Arc::new(target) })
    }

    /// Gives back a connection. It must have no open transaction.
    pub(super) fn give_back(&self, held: Held) {
        self.idle().push(held.connection);
    }

    /// Closes idle connections: their server is gone.
    pub(super) fn forget(&self) {
        self.idle().clear();
    }

    /// Returns the location of the database when its uid was last read.
    pub(crate) fn location(&self) -> Option<Location> {
        self.seen().location.clone()
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, ServerLocation> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
