//! An open SurrealDB: how its statements are sent, repeated and judged.

use std::{
    borrow::Cow,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use surrealdb::{
    Error, IndexedResults, Surreal,
    types::{ErrorDetails, NotFoundError, Variables},
};

#[cfg(feature = "surreal-server")]
use super::server::SurrealServer;
use super::{
    engine::{DATABASE, Engine, Local, NAMESPACE},
    error::{is_conflict, is_field_mismatch, is_not_executed},
    query::Failure,
};
use crate::{
    BoxError, DalError,
    embedded::paths,
    retry::{Attempt, until_written},
};

/// An open SurrealDB: an engine in this process, or a server.
#[derive(Clone)]
pub(crate) struct SurrealStore {
    endpoint: Endpoint,
    changed: Arc<AtomicBool>,
    database: Arc<str>,
}

/// Where statements are sent.
#[derive(Clone)]
enum Endpoint {
    Engine(Engine),
    #[cfg(feature = "surreal-server")]
    Server(Arc<SurrealServer>),
}

impl std::fmt::Debug for SurrealStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SurrealStore").field("database", &self.database).finish_non_exhaustive()
    }
}

impl SurrealStore {
    /// Whether the engine is in this process.
    pub(super) const fn is_embedded(&self) -> bool {
        matches!(self.endpoint, Endpoint::Engine(_))
    }

    /// Wraps an engine that was opened on the current runtime.
    pub(super) fn new(db: Surreal<Local>, url: &str) -> Self {
        Self { endpoint: Endpoint::Engine(Engine::new(db)), changed: Arc::default(), database: url.into() }
    }

    /// Connects to a server.
    #[cfg(feature = "surreal-server")]
    pub(crate) async fn on_server(server: &Arc<SurrealServer>) -> Result<Self, DalError> {
        server.check_connection().await?;
        let database = server.name().into();
        Ok(Self { endpoint: Endpoint::Server(Arc::clone(server)), changed: Arc::default(), database })
    }

    /// Returns the namespace and the database that MER uses.
    pub(super) fn namespace_and_database(&self) -> (String, String) {
        match &self.endpoint {
            Endpoint::Engine(_) => (NAMESPACE.to_owned(), DATABASE.to_owned()),
            #[cfg(feature = "surreal-server")]
            Endpoint::Server(server) => server.namespace_and_database(),
        }
    }

    /// Returns the server, unless the engine is in this process.
    #[cfg(feature = "surreal-server")]
    pub(super) fn remote(&self) -> Option<&Arc<SurrealServer>> {
        match &self.endpoint {
            Endpoint::Engine(_) => None,
            Endpoint::Server(server) => Some(server),
        }
    }

    /// Returns whether the database may silently drop writes for which this user has no rights.
    pub(super) fn writes_may_be_ignored(&self) -> bool {
        match &self.endpoint {
            Endpoint::Engine(_) => false,
            #[cfg(feature = "surreal-server")]
            Endpoint::Server(server) => !server.keeps_writes(),
        }
    }

    /// Returns the error for a write that was silently dropped.
    pub(super) fn ignored(&self, operation: &'static str) -> DalError {
        const WHY: &str = "the server accepted the rows and did not store them: neither the user's role nor the \
                           tables' PERMISSIONS allow it to write";
        self.no_rights(operation, WHY)
    }

    /// Returns the error for rows of weights that exist and cannot be read.
    pub(super) fn hidden(&self, operation: &'static str) -> DalError {
        const WHY: &str = "there are versions of weights, and the server shows none of the tables about them: the PERMISSIONS \
                           of ModelWeightCounters, ModelWeightAliases and their like do not let this user read";
        self.no_rights(operation, WHY)
    }

    /// Returns the error for a right that this user lacks.
    pub(super) fn no_rights(&self, operation: &'static str, why: &'static str) -> DalError {
        DalError::Rights { operation, database: self.database(), user: self.user(), source: why.into() }
    }

    fn user(&self) -> String {
        match &self.endpoint {
            Endpoint::Engine(_) => String::new(),
            #[cfg(feature = "surreal-server")]
            Endpoint::Server(server) => server.user(),
        }
    }

    /// Returns whether registry or schema may have been changed through this connection.
    pub(crate) fn changed(&self) -> bool {
        self.changed.load(Ordering::Acquire)
    }

    /// Notes that registry or schema may change from now on.
    pub(super) fn mark_changed(&self) {
        self.changed.store(true, Ordering::Release);
    }

    /// Waits until no query runs any more in an engine of this process.
    pub(crate) async fn settled(&self) {
        match &self.endpoint {
            Endpoint::Engine(engine) => engine.settled().await,
            #[cfg(feature = "surreal-server")]
            Endpoint::Server(_) => {}
        }
    }

    /// Returns the URL of the database for messages.
    pub(super) fn database(&self) -> String {
        self.database.to_string()
    }

    /// Runs statements. Fails with the error of the first statement that failed.
    pub(super) async fn run(
        &self,
        operation: &'static str,
        text: impl Into<Cow<'static, str>>,
        variables: Variables,
    ) -> Result<IndexedResults, DalError> {
        let results = self.send(operation, text.into(), variables).await?;
        results.map_err(|failure| self.failed(operation, *failure.error))
    }

    /// Runs statements that write, and repeats them while other writers are first. They must be one transaction that is
    /// right for any order of writers.
    pub(super) async fn write(
        &self,
        operation: &'static str,
        text: &'static str,
        variables: Variables,
    ) -> Result<IndexedResults, DalError> {
        until_written(operation, || self.try_write(operation, text, variables.clone())).await
    }

    /// Runs statements that write once.
    pub(super) async fn try_write(
        &self,
        operation: &'static str,
        text: &'static str,
        variables: Variables,
    ) -> Attempt<IndexedResults> {
        match self.send(operation, text.into(), variables).await? {
            Ok(results) => Ok(Ok(results)),
            Err(failure) if is_conflict(&failure.error) => Ok(Err(failure.error as BoxError)),
            Err(failure) => Err(self.failed(operation, *failure.error)),
        }
    }

    /// Runs a transaction like [`SurrealStore::write`]; the inner error is a failure other than a conflict, such as an
    /// error that the statements throw.
    pub(super) async fn write_or_throw(
        &self,
        operation: &'static str,
        text: &'static str,
        variables: Variables,
    ) -> Result<Result<(), Failure>, DalError> {
        until_written(operation, || async {
            Ok(match self.send(operation, text.into(), variables.clone()).await? {
                Ok(_) => Ok(Ok(())),
                Err(failure) if is_conflict(&failure.error) => Err(failure.error as BoxError),
                Err(failure) => Ok(Err(failure)),
            })
        })
        .await
    }

    /// Sends statements; the inner error names the statement that failed. If the connection is lost, they may run twice.
    pub(super) async fn send(
        &self,
        operation: &'static str,
        text: Cow<'static, str>,
        variables: Variables,
    ) -> Result<Result<IndexedResults, Failure>, DalError> {
        match &self.endpoint {
            Endpoint::Engine(engine) => engine.send(operation, text, variables).await,
            #[cfg(feature = "surreal-server")]
            Endpoint::Server(server) => server.send(operation, text, variables).await,
        }
    }

    /// Sends a script, once.
    pub(super) async fn send_script(
        &self,
        operation: &'static str,
        text: Cow<'static, str>,
        variables: Variables,
    ) -> Result<Result<IndexedResults, Failure>, DalError> {
        match &self.endpoint {
            Endpoint::Engine(engine) => engine.send(operation, text, variables).await,
            #[cfg(feature = "surreal-server")]
            Endpoint::Server(server) => server.send_once(operation, text, variables).await,
        }
    }

    /// Returns the error of an operation that another attempt would not mend.
    pub(super) fn failed(&self, operation: &'static str, error: Error) -> DalError {
        let database = self.database();
        match error.details() {
            ErrorDetails::NotFound(Some(
                NotFoundError::Table { .. } | NotFoundError::Namespace { .. } | NotFoundError::Database { .. },
            )) => DalError::NoSchema { database },
            #[cfg(feature = "surreal-server")]
            ErrorDetails::NotAllowed(_) if self.remote().is_some() => {
                DalError::Rights { operation, database, user: self.user(), source: error.into() }
            }
            _ => DalError::Value { operation, sure: is_field_mismatch(&error), source: self.cause(error) },
        }
    }

    /// Returns the error, or its probable cause: when a commit finds no room on the disk or in the memtable, the engine
    /// says only that nothing was executed.
    pub(super) fn cause(&self, error: Error) -> BoxError {
        match self.database.strip_prefix("surrealkv://").filter(|_| is_not_executed(&error)) {
            Some(folder) if paths::is_full(Path::new(folder)) => {
                std::io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error()).into()
            }
            Some(folder) if paths::is_limited(Path::new(folder)) => {
                std::io::Error::from_raw_os_error(rustix::io::Errno::FBIG.raw_os_error()).into()
            }
            Some(_) => "the change may be too large for one transaction of the embedded database, which holds \
                        about 12 MiB: split it into smaller ones"
                .into(),
            None => error.into(),
        }
    }
}
