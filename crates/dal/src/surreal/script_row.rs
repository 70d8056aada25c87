//! Rows of `Migrations`.

use std::time::Duration;

use surrealdb::{
    IndexedResults,
    types::{Datetime, SurrealValue, Variables},
};

use super::{SurrealStore, query::variables, rows::timestamp};
use crate::{Applied, DalError, ScriptRun};

pub(super) const TABLE: &str = "Migrations";

const NOTE: &str = "
UPSERT type::record('Migrations', $merNumber) SET
    number = $merNumber, name = $merName, checksum = $merChecksum, merVersion = merVersion ?? $merVersion,
    own = own ?? $merOwn, appliedAt = appliedAt ?? time::now(), durationMs = durationMs ?? <float> $merMs
    RETURN AFTER;";

#[derive(Debug, SurrealValue)]
#[surreal(rename_all = "camelCase")]
pub(super) struct AppliedRow {
    number: u32,
    name: String,
    checksum: String,
    applied_at: Datetime,
    duration_ms: f64,
    mer_version: String,
    own: Option<bool>,
}

impl AppliedRow {
    pub(super) fn applied(self) -> Result<Applied, DalError> {
        Ok(Applied {
            number: self.number,
            name: self.name,
            checksum: self.checksum,
            applied_at: timestamp(TABLE, self.applied_at)?,
            duration_ms: self.duration_ms,
            mer_version: self.mer_version,
            own: self.own.unwrap_or(false),
        })
    }
}

impl SurrealStore {
    /// Writes the row of a script, with its run time; zero if it was not run.
    pub(super) async fn write_row(&self, script: &ScriptRun, took: Duration) -> Result<Applied, DalError> {
        let mut values = values(script);
        values.insert("merMs", took.as_secs_f64() * 1000.0);
        let mut results = self.run("note a script as applied", NOTE, values).await?;
        written_row(&mut results, 0, script)
    }
}

/// Returns the variables of a row.
pub(super) fn values(script: &ScriptRun) -> Variables {
    variables([
        ("merNumber", script.number.into_value()),
        ("merName", script.name.clone().into_value()),
        ("merChecksum", script.checksum.clone().into_value()),
        ("merVersion", script.mer_version.clone().into_value()),
        ("merOwn", script.own.into_value()),
    ])
}

/// Takes the row that a statement wrote.
pub(super) fn written_row(results: &mut IndexedResults, index: usize, script: &ScriptRun) -> Result<Applied, DalError> {
    match results.take::<Option<AppliedRow>>(index) {
        Ok(Some(row)) => row.applied(),
        Ok(None) => Err(DalError::Row { table: TABLE, reason: format!("`{}` left no row", script.file) }),
        Err(error) => Err(DalError::Row { table: TABLE, reason: error.to_string() }),
    }
}
