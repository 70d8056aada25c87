//! Rows of `Migrations`.

use sqlx::postgres::PgRow;

use super::{
    PostgresStore,
    call::call,
    rows::{get, small},
    wire_types::Time,
};
use crate::{Applied, DalError, ScriptRun};

pub(super) const TABLE: &str = "Migrations";

const NOTE: &str = r#"
INSERT INTO "Migrations" ("number", "name", "checksum", "appliedAt", "durationMs", "merVersion", "own")
VALUES ($1, $2, $3, clock_timestamp(), 0, $4, $5)
ON CONFLICT ("number") DO UPDATE SET "name" = EXCLUDED."name", "checksum" = EXCLUDED."checksum" RETURNING *"#;

impl PostgresStore {
    /// Writes the row of a script without running it.
    pub(super) async fn write_row(&self, script: &ScriptRun) -> Result<Applied, DalError> {
        let row: PgRow = call!(self.server(), "note a script as applied", |connection| {
            self.query(NOTE)
                .bind(i64::from(script.number))
                .bind(&script.name)
                .bind(&script.checksum)
                .bind(&script.mer_version)
                .bind(script.own)
                .fetch_one(&mut *connection)
                .await
        });
        applied_row(&row)
    }
}

/// Reads a row.
pub(super) fn applied_row(row: &PgRow) -> Result<Applied, DalError> {
    Ok(Applied {
        number: small(TABLE, get(TABLE, row, "number")?)?,
        name: get(TABLE, row, "name")?,
        checksum: get(TABLE, row, "checksum")?,
        applied_at: get::<Time>(TABLE, row, "appliedAt")?.0,
        duration_ms: get(TABLE, row, "durationMs")?,
        mer_version: get(TABLE, row, "merVersion")?,
        own: get(TABLE, row, "own")?,
    })
}
