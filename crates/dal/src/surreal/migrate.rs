//! Schema of the database: the table `Migrations` and the scripts that it records.

use std::time::Duration;

use uuid::Uuid;

use super::{
    SurrealStore,
    query::{take, variables},
    script_row::{AppliedRow, TABLE},
};
use crate::{Applied, DalError, MigrationLock, ScriptRun, backend::MigrationBackend};

/// Created by the program, before any script. OVERWRITE, because IF NOT EXISTS does nothing to a table that was brought
/// into being by a mere write.
const DEFINE: &str = "
BEGIN;
DEFINE TABLE OVERWRITE Migrations SCHEMAFULL;
DEFINE FIELD OVERWRITE number ON Migrations TYPE int;
DEFINE FIELD OVERWRITE name ON Migrations TYPE string;
DEFINE FIELD OVERWRITE checksum ON Migrations TYPE string;
DEFINE FIELD OVERWRITE appliedAt ON Migrations TYPE datetime;
DEFINE FIELD OVERWRITE durationMs ON Migrations TYPE float;
DEFINE FIELD OVERWRITE merVersion ON Migrations TYPE string;
DEFINE FIELD OVERWRITE own ON Migrations TYPE bool DEFAULT false;
COMMIT;";

impl MigrationBackend for SurrealStore {
    async fn database_uid(&self) -> Result<Uuid, DalError> {
        self.read_uid().await
    }

    async fn new_uid(&self) -> Result<Uuid, DalError> {
        self.write_new_uid().await
    }

    /// Succeeds: every SurrealDB can store every text.
    async fn check_encoding(&self) -> Result<(), DalError> {
        Ok(())
    }

    async fn applied(&self) -> Result<Option<Vec<Applied>>, DalError> {
        const APPLIED: &str = "SELECT * FROM Migrations ORDER BY number;";
        let mut results = match self.run("list the applied scripts", APPLIED, variables([])).await {
            Err(DalError::NoSchema { .. }) => return Ok(None),
            results => results?,
        };
        let rows: Vec<AppliedRow> = take(&mut results, 0, TABLE)?;
        rows.into_iter().map(AppliedRow::applied).collect::<Result<_, _>>().map(Some)
    }

    async fn lock_migrations(&self) -> Result<MigrationLock, DalError> {
        #[cfg(feature = "surreal-server")]
        if let Some(server) = self.remote() {
            return self.take_lock(server).await.map(MigrationLock::surreal);
        }
        // The lease on an embedded engine is the lock: no other process has the engine open.
        Ok(MigrationLock::lease())
    }

    async fn create_migrations(&self) -> Result<(), DalError> {
        self.mark_changed();
        self.write("create the table `Migrations`", DEFINE, variables([])).await.map(drop)
    }

    async fn apply_script(&self, lock: &mut MigrationLock, script: &ScriptRun) -> Result<Applied, DalError> {
        self.run_script(lock.fence(), script).await
    }

    async fn note_script(&self, script: &ScriptRun) -> Result<Applied, DalError> {
        self.mark_changed();
        self.write_row(script, Duration::ZERO).await
    }
}
