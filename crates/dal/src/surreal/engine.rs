//! An engine in this process.

use std::{borrow::Cow, sync::Arc};

use surrealdb::{IndexedResults, Surreal, types::Variables};
use tokio::{
    runtime::Handle,
    sync::{OwnedRwLockReadGuard, RwLock},
};

use super::query::{Failure, outcome};
use crate::DalError;

/// Namespace and database that MER uses in a SurrealDB instance.
pub(super) const NAMESPACE: &str = "ModelExecutorRuntimeNS";
pub(super) const DATABASE: &str = "ModelExecutorRuntimeDB";

/// The SDK's type of an engine in this process.
#[cfg(feature = "embedded")]
pub(super) type Local = surrealdb::engine::local::Db;
#[cfg(not(feature = "embedded"))]
pub(super) type Local = surrealdb::engine::any::Any;

/// An engine in this process.
///
/// Every query runs on the runtime that the engine was opened on. Its threads have the large stack that the engine's
/// recursive parser needs; the runtime of the caller only waits. Dropping the future of a caller does not stop its query;
/// [`Engine::settled`] waits for such queries.
#[derive(Clone)]
pub(super) struct Engine {
    /// In an `Arc`, because each clone of the handle is a session of its own in the engine.
    db: Arc<Surreal<Local>>,
    runtime: Handle,
    running: Arc<RwLock<()>>,
}

impl Engine {
    /// Wraps an engine that was opened on the current runtime.
    pub(super) fn new(db: Surreal<Local>) -> Self {
        Self { db: Arc::new(db), runtime: Handle::current(), running: Arc::default() }
    }

    pub(super) async fn send(
        &self,
        operation: &'static str,
        text: Cow<'static, str>,
        variables: Variables,
    ) -> Result<Result<IndexedResults, Failure>, DalError> {
        let db = Arc::clone(&self.db);
        let running = Arc::clone(&self.running).read_owned().await;
        let task = self.runtime.spawn(async move {
            // The handle is dropped before the guard: when nothing runs any more, the engine can be closed.
            let (db, _running): (Arc<Surreal<Local>>, OwnedRwLockReadGuard<()>) = (db, running);
            let outcome = db.query(text).bind(variables).await;
            drop(db);
            outcome
        });
        Ok(outcome(task.await.map_err(|_| DalError::Gone { operation })?))
    }

    /// Waits until no query runs any more.
    pub(super) async fn settled(&self) {
        drop(self.running.write().await);
    }
}
