//! The connection that the verbs of this driver share.

use std::{
    borrow::Cow,
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use mer_core::{Access, AttemptKey, Model, Registry, Server};
use surrealdb::{
    Error, IndexedResults, Surreal,
    types::{ErrorDetails, NotFoundError, QueryError, SurrealValue, Variables},
};
use tokio::{
    runtime::Handle,
    sync::{OwnedRwLockReadGuard, RwLock},
};
use uuid::Uuid;

#[cfg(feature = "surreal-server")]
use super::SurrealServer;
use super::connect::{DATABASE, Local, NAMESPACE};
use crate::{
    AccessFilter, Applied, BoxError, DalError, MigrationLock, RegistryCopy, ScriptRun, embedded::paths, pages::Cursor,
    retry, store::Backend,
};

/// An open SurrealDB: an engine in this process, or a server.
#[derive(Clone)]
pub(crate) struct SurrealStore {
    link: Link,
    changed: Arc<AtomicBool>,
    database: Arc<str>,
}

/// The way to it.
#[derive(Clone)]
enum Link {
    Engine(Engine),
    #[cfg(feature = "surreal-server")]
    Server(Arc<SurrealServer>),
}

/// An engine in this process.
///
/// Every query runs on the runtime that the engine was opened on, whose threads have the large stack that the engine's
/// recursive parser needs; the caller's runtime only waits. A caller that goes away does not stop its query:
/// [`SurrealStore::settled`] waits for such ones.
#[derive(Clone)]
struct Engine {
    /// Not the handle itself: each clone of that is a session of its own in the engine.
    db: Arc<Surreal<Local>>,
    runtime: Handle,
    running: Arc<RwLock<()>>,
}

impl std::fmt::Debug for SurrealStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SurrealStore").field("database", &self.database).finish_non_exhaustive()
    }
}

impl SurrealStore {
    pub(super) fn new(db: Surreal<Local>, url: &str) -> Self {
        let engine = Engine { db: Arc::new(db), runtime: Handle::current(), running: Arc::default() };
        Self { link: Link::Engine(engine), changed: Arc::default(), database: url.into() }
    }

    #[cfg(feature = "surreal-server")]
    pub(super) fn on_server(server: Arc<SurrealServer>) -> Self {
        let database = server.name().into();
        Self { link: Link::Server(server), changed: Arc::default(), database }
    }

    /// Namespace and database in which MER lives.
    pub(super) fn namespace_and_database(&self) -> (String, String) {
        match &self.link {
            Link::Engine(_) => (NAMESPACE.to_owned(), DATABASE.to_owned()),
            #[cfg(feature = "surreal-server")]
            Link::Server(server) => server.namespace_and_database(),
        }
    }

    /// The server, where it is one.
    #[cfg(feature = "surreal-server")]
    pub(super) fn server(&self) -> Option<&Arc<SurrealServer>> {
        match &self.link {
            Link::Engine(_) => None,
            Link::Server(server) => Some(server),
        }
    }

    /// Whether the database may pass over, without a word, what this user has no right to write.
    pub(super) fn writes_may_be_ignored(&self) -> bool {
        match &self.link {
            Link::Engine(_) => false,
            #[cfg(feature = "surreal-server")]
            Link::Server(server) => !server.keeps_writes(),
        }
    }

    /// That a write left nothing behind.
    pub(super) fn ignored(&self, operation: &'static str) -> DalError {
        const WHY: &str = "the server took the rows and did not keep them: neither the user's role nor the tables' \
                           PERMISSIONS let it write";
        self.no_rights(operation, WHY)
    }

    /// That rows of weights are there and are not shown.
    pub(super) fn hidden(&self, operation: &'static str) -> DalError {
        const WHY: &str = "there are versions of weights, and the server shows none of the tables about them: the PERMISSIONS \
                           of ModelWeightCounters, ModelWeightAliases and their like do not let this user read";
        self.no_rights(operation, WHY)
    }

    fn no_rights(&self, operation: &'static str, why: &'static str) -> DalError {
        let user = match &self.link {
            Link::Engine(_) => String::new(),
            #[cfg(feature = "surreal-server")]
            Link::Server(server) => server.user(),
        };
        DalError::Rights { operation, database: self.database(), user, source: why.into() }
    }

    /// Whether registry or schema may have been changed through this connection.
    pub(crate) fn changed(&self) -> bool {
        self.changed.load(Ordering::Acquire)
    }

    pub(super) fn mark_changed(&self) {
        self.changed.store(true, Ordering::Release);
    }

    /// Waits until no query runs any more.
    pub(crate) async fn settled(&self) {
        match &self.link {
            Link::Engine(engine) => drop(engine.running.write().await),
            #[cfg(feature = "surreal-server")]
            Link::Server(_) => {}
        }
    }

    pub(super) fn database(&self) -> String {
        self.database.to_string()
    }

    /// Runs statements. The whole fails with the first statement that did.
    pub(super) async fn run(
        &self,
        operation: &'static str,
        text: impl Into<Cow<'static, str>>,
        variables: Variables,
    ) -> Result<IndexedResults, DalError> {
        let results = self.send(operation, text.into(), variables).await?;
        results.map_err(|failure| self.failed(operation, *failure.error))
    }

    /// Runs statements that write, again and again while other writers are first. They must hold for any order of
    /// writers, and be one transaction.
    pub(super) async fn write(
        &self,
        operation: &'static str,
        text: &'static str,
        variables: Variables,
    ) -> Result<(), DalError> {
        self.write_and_answer(operation, text, variables).await.map(|_| ())
    }

    /// As [`SurrealStore::write`], with the results of the try that held.
    pub(super) async fn write_and_answer(
        &self,
        operation: &'static str,
        text: &'static str,
        variables: Variables,
    ) -> Result<IndexedResults, DalError> {
        let mut lost = 0;
        loop {
            match self.send(operation, text.into(), variables.clone()).await? {
                Ok(results) => return Ok(results),
                Err(failure) if is_conflict(&failure.error) => {
                    lost += 1;
                    self.pause_or_give_up(operation, lost, *failure.error).await?;
                }
                Err(failure) => return Err(self.failed(operation, *failure.error)),
            }
        }
    }

    /// Runs statements that write, once; inside, the conflict with another writer.
    pub(super) async fn write_once(
        &self,
        operation: &'static str,
        text: &'static str,
        variables: Variables,
    ) -> Result<Result<(), Error>, DalError> {
        match self.send(operation, text.into(), variables).await? {
            Ok(_) => Ok(Ok(())),
            Err(failure) if is_conflict(&failure.error) => Ok(Err(*failure.error)),
            Err(failure) => Err(self.failed(operation, *failure.error)),
        }
    }

    /// Waits a little after a lost try, or reports that there were too many.
    pub(super) async fn pause_or_give_up(
        &self,
        operation: &'static str,
        lost: u32,
        conflict: Error,
    ) -> Result<(), DalError> {
        if lost == retry::TRIES {
            return Err(DalError::Conflict { operation, tries: lost, source: conflict.into() });
        }
        tokio::time::sleep(retry::pause(lost)).await;
        Ok(())
    }

    /// Runs statements and tells which one failed. They may be run twice, where a connection is lost.
    pub(super) async fn send(
        &self,
        operation: &'static str,
        text: Cow<'static, str>,
        variables: Variables,
    ) -> Result<Result<IndexedResults, Failure>, DalError> {
        match &self.link {
            Link::Engine(engine) => engine.send(operation, text, variables).await,
            #[cfg(feature = "surreal-server")]
            Link::Server(server) => server.send(operation, text, variables).await,
        }
    }

    /// Runs a script, once.
    pub(super) async fn send_script(
        &self,
        operation: &'static str,
        text: Cow<'static, str>,
        variables: Variables,
    ) -> Result<Result<IndexedResults, Failure>, DalError> {
        match &self.link {
            Link::Engine(engine) => engine.send(operation, text, variables).await,
            #[cfg(feature = "surreal-server")]
            Link::Server(server) => server.send_once(operation, text, variables).await,
        }
    }

    pub(super) fn failed(&self, operation: &'static str, error: Error) -> DalError {
        let database = self.database();
        match error.details() {
            ErrorDetails::NotFound(Some(
                NotFoundError::Table { .. } | NotFoundError::Namespace { .. } | NotFoundError::Database { .. },
            )) => DalError::NoSchema { database },
            #[cfg(feature = "surreal-server")]
            ErrorDetails::NotAllowed(_) if self.server().is_some() => {
                let user = self.server().map(|server| server.user()).unwrap_or_default();
                DalError::Rights { operation, database, user, source: error.into() }
            }
            _ => DalError::Value { operation, sure: is_of_a_field(&error), source: self.why(error) },
        }
    }

    /// The error, or what must be behind it: of a commit that finds no room, on the disk or in its memtable, the engine
    /// says only that nothing was executed.
    pub(super) fn why(&self, error: Error) -> BoxError {
        match self.database.strip_prefix("surrealkv://").filter(|_| is_untold(&error)) {
            Some(folder) if paths::is_full(Path::new(folder)) => {
                std::io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error()).into()
            }
            Some(folder) if paths::is_limited(Path::new(folder)) => {
                std::io::Error::from_raw_os_error(rustix::io::Errno::FBIG.raw_os_error()).into()
            }
            Some(_) => "it may be too much for one transaction of the embedded database, which holds some 12 MiB: \
                        give it less at a time"
                .into(),
            None => error.into(),
        }
    }
}

impl Engine {
    async fn send(
        &self,
        operation: &'static str,
        text: Cow<'static, str>,
        variables: Variables,
    ) -> Result<Result<IndexedResults, Failure>, DalError> {
        let db = Arc::clone(&self.db);
        let running = Arc::clone(&self.running).read_owned().await;
        let task = self.runtime.spawn(async move {
            // The handle goes before the guard: who sees nothing running must be able to close.
            let (db, _running): (Arc<Surreal<Local>>, OwnedRwLockReadGuard<()>) = (db, running);
            let outcome = db.query(text).bind(variables).await;
            drop(db);
            outcome
        });
        Ok(outcome(task.await.map_err(|_| DalError::Gone { operation })?))
    }
}

/// The results, or the error that made all others.
pub(super) fn outcome(answer: Result<IndexedResults, Error>) -> Result<IndexedResults, Failure> {
    match answer {
        Err(error) => Err(Failure { statement: None, error: Box::new(error) }),
        Ok(mut results) => match root_cause(results.take_errors()) {
            Some(failure) => Err(failure),
            None => Ok(results),
        },
    }
}

/// What stopped a query.
#[derive(Debug)]
pub(super) struct Failure {
    /// Which statement, from 0; none where the text could not be read at all.
    pub(super) statement: Option<usize>,
    /// The engine's word.
    pub(super) error: Box<Error>,
}

/// The error that made the others: in a failed transaction every other statement reports that it was not executed.
fn root_cause(errors: HashMap<usize, Error>) -> Option<Failure> {
    errors
        .into_iter()
        .min_by_key(|(index, error)| (is_untold(error), *index))
        .map(|(index, error)| Failure { statement: Some(index), error: Box::new(error) })
}

/// Whether it says only that nothing was executed, and not why.
pub(super) fn is_untold(error: &Error) -> bool {
    matches!(error.details(), ErrorDetails::Query(Some(QueryError::NotExecuted)))
}

/// Whether trying again may help: another writer committed first, or inserted the same row first.
pub(super) fn is_conflict(error: &Error) -> bool {
    is_race(error) || matches!(error.details(), ErrorDetails::AlreadyExists(_))
}

/// Whether another writer committed first.
pub(super) fn is_race(error: &Error) -> bool {
    matches!(error.details(), ErrorDetails::Query(Some(QueryError::TransactionConflict)))
        || error.message().contains("This transaction can be retried")
}

/// Whether a row has something in a field that the schema does not take. The engine says so in words only.
fn is_of_a_field(error: &Error) -> bool {
    let message = error.message();
    message.starts_with("Couldn't coerce value for field") || message.contains("but field must conform to")
}

/// Variables of a query.
pub(super) fn variables<const N: usize>(pairs: [(&str, surrealdb::types::Value); N]) -> Variables {
    let mut variables = Variables::new();
    for (name, value) in pairs {
        variables.insert(name, value);
    }
    variables
}

/// A result, or the reason why it is not what the statement should give.
pub(super) fn take<T: SurrealValue>(
    results: &mut IndexedResults,
    index: usize,
    table: &'static str,
) -> Result<Vec<T>, DalError> {
    results.take::<Vec<T>>(index).map_err(|error| DalError::Row { table, reason: error.to_string() })
}

impl Backend for SurrealStore {
    async fn servers(&self) -> Result<Vec<Server>, DalError> {
        self.read_servers().await
    }

    async fn models(&self) -> Result<Vec<Model>, DalError> {
        self.read_models().await
    }

    async fn server(&self, name: &str) -> Result<Option<Server>, DalError> {
        self.read_server(name).await
    }

    async fn model(&self, name: &str) -> Result<Option<Model>, DalError> {
        self.read_model(name).await
    }

    async fn apply(&self, registry: &Registry, seen: Option<&Registry>) -> Result<(), DalError> {
        self.write_registry(registry, seen).await
    }

    async fn restore(&self, copy: &RegistryCopy) -> Result<(), DalError> {
        self.write_copy(copy).await
    }

    async fn remove_model(&self, name: &str) -> Result<(), DalError> {
        self.delete_model(name).await
    }

    async fn remove_server(&self, name: &str) -> Result<Vec<String>, DalError> {
        self.delete_server(name).await
    }

    async fn record(&self, accesses: &[Access]) -> Result<(), DalError> {
        self.write_accesses(accesses).await
    }

    async fn accesses(
        &self,
        filter: &AccessFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<Access>, DalError> {
        self.read_accesses(filter, after, limit).await
    }

    async fn accesses_between(&self, first: Uuid, last: Uuid, limit: usize) -> Result<Vec<Access>, DalError> {
        self.read_between(first, last, limit).await
    }

    async fn access(&self, request: Uuid) -> Result<Vec<Access>, DalError> {
        self.read_request(request).await
    }

    async fn keep_alive(&self, host: &str, attempts: &[AttemptKey]) -> Result<(), DalError> {
        self.write_alive(host, attempts).await
    }

    async fn has_silent(&self) -> Result<bool, DalError> {
        self.read_silent().await
    }

    async fn close_silent(&self) -> Result<(), DalError> {
        self.write_silent().await
    }

    async fn accesses_after(&self, key: AttemptKey, limit: usize) -> Result<Vec<Access>, DalError> {
        self.read_accesses_after(key, limit).await
    }

    async fn database_uid(&self) -> Result<Uuid, DalError> {
        self.read_uid().await
    }

    async fn new_uid(&self) -> Result<Uuid, DalError> {
        self.write_new_uid().await
    }

    async fn check_encoding(&self) -> Result<(), DalError> {
        Ok(())
    }

    async fn applied(&self) -> Result<Option<Vec<Applied>>, DalError> {
        self.read_applied().await
    }

    async fn lock_migrations(&self) -> Result<MigrationLock, DalError> {
        match &self.link {
            // Nobody else gets in while the engine is open: its lease is the lock.
            Link::Engine(_) => Ok(MigrationLock::none()),
            #[cfg(feature = "surreal-server")]
            Link::Server(server) => self.take_lock(server).await.map(MigrationLock::surreal),
        }
    }

    async fn create_migrations(&self) -> Result<(), DalError> {
        self.define_migrations().await
    }

    async fn apply_script(&self, lock: &mut MigrationLock, script: &ScriptRun) -> Result<Applied, DalError> {
        self.run_script(lock.fence(), script).await
    }

    async fn note_script(&self, script: &ScriptRun) -> Result<Applied, DalError> {
        self.write_note(script).await
    }
}
