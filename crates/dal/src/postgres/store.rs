//! The Store of a PostgreSQL database.

use std::sync::Arc;

use mer_core::{Access, AttemptKey, Model, Registry, Server};
use sqlx::{Postgres, postgres::PgArguments, query::Query};
use uuid::Uuid;

use super::PostgresServer;
use crate::{AccessFilter, Applied, DalError, MigrationLock, RegistryCopy, ScriptRun, pages::Cursor, store::Backend};

/// A database on a server.
#[derive(Debug, Clone)]
pub(crate) struct PostgresStore(Arc<PostgresServer>);

impl PostgresStore {
    pub(super) fn new(server: Arc<PostgresServer>) -> Self {
        Self(server)
    }

    pub(super) fn server(&self) -> &Arc<PostgresServer> {
        &self.0
    }

    /// A statement, to be kept prepared or not.
    pub(super) fn query<'q>(&self, sql: &'static str) -> Query<'q, Postgres, PgArguments> {
        sqlx::query(sql).persistent(self.0.keeps_statements())
    }
}

impl Backend for PostgresStore {
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
        self.read_encoding().await
    }

    async fn applied(&self) -> Result<Option<Vec<Applied>>, DalError> {
        self.read_applied().await
    }

    async fn lock_migrations(&self) -> Result<MigrationLock, DalError> {
        self.take_lock().await.map(MigrationLock::postgres)
    }

    async fn create_migrations(&self) -> Result<(), DalError> {
        self.define_migrations().await
    }

    async fn apply_script(&self, lock: &mut MigrationLock, script: &ScriptRun) -> Result<Applied, DalError> {
        self.run_script(lock.advisory(), script).await
    }

    async fn note_script(&self, script: &ScriptRun) -> Result<Applied, DalError> {
        self.write_note(script).await
    }
}
