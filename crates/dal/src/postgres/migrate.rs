//! Schema of the database: the table `Migrations` and the scripts that it records.

use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::{PostgresStore, call::call, error::sqlstate, rows::get, script_row::applied_row};
use crate::{Applied, DalError, MigrationLock, ScriptRun, backend::MigrationBackend};

/// Created by the program, before any script.
const DEFINE: &str = r#"
CREATE TABLE IF NOT EXISTS "Migrations" (
    "number" bigint PRIMARY KEY,
    "name" text NOT NULL,
    "checksum" text NOT NULL,
    "appliedAt" timestamptz NOT NULL,
    "durationMs" double precision NOT NULL,
    "merVersion" text NOT NULL,
    "own" boolean NOT NULL DEFAULT false
)"#;

const APPLIED: &str = r#"SELECT * FROM "Migrations" ORDER BY "number""#;

/// SQLSTATEs of "already exists": another process created the same table.
const MADE_ALREADY: [&str; 3] = ["23505", "42P07", "42710"];

impl MigrationBackend for PostgresStore {
    async fn database_uid(&self) -> Result<Uuid, DalError> {
        self.read_uid().await
    }

    async fn new_uid(&self) -> Result<Uuid, DalError> {
        self.write_new_uid().await
    }

    async fn check_encoding(&self) -> Result<(), DalError> {
        let row: PgRow = call!(self.server(), "ask for its encoding", |connection| {
            self.query("SHOW server_encoding").fetch_one(&mut *connection).await
        });
        let encoding: String = get("server_encoding", &row, "server_encoding")?;
        if encoding == "UTF8" {
            return Ok(());
        }
        Err(DalError::Encoding { database: self.server().name(), encoding })
    }

    async fn applied(&self) -> Result<Option<Vec<Applied>>, DalError> {
        let read = async {
            Ok::<Vec<PgRow>, DalError>(call!(self.server(), "list the applied scripts", |connection| {
                self.query(APPLIED).fetch_all(&mut *connection).await
            }))
        };
        match read.await {
            Err(DalError::NoSchema { .. }) => Ok(None),
            rows => rows?.iter().map(applied_row).collect::<Result<_, _>>().map(Some),
        }
    }

    async fn create_migrations(&self) -> Result<(), DalError> {
        call!(self.server(), "create the table `Migrations`", |connection| {
            match self.query(DEFINE).execute(&mut *connection).await {
                Err(error) if MADE_ALREADY.contains(&sqlstate(&error)) => Ok(()),
                outcome => outcome.map(|_| ()),
            }
        });
        Ok(())
    }

    async fn lock_migrations(&self) -> Result<MigrationLock, DalError> {
        self.take_lock().await.map(MigrationLock::postgres)
    }

    async fn apply_script(&self, lock: &mut MigrationLock, script: &ScriptRun) -> Result<Applied, DalError> {
        self.run_script(lock.advisory(), script).await
    }

    async fn note_script(&self, script: &ScriptRun) -> Result<Applied, DalError> {
        self.write_row(script).await
    }
}
