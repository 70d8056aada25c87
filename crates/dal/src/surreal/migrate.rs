//! The verbs of the migrations program.

use std::time::{Duration, Instant};

use surrealdb::{
    IndexedResults,
    types::{Datetime, SurrealValue, Value, Variables},
};
use uuid::Uuid;

use super::{
    SurrealStore,
    rows::timestamp,
    script::{SyntaxError, own_transaction, statements, syntax_error},
    store::{Failure, is_conflict, is_race, is_untold, take, variables},
};
use crate::{Applied, DalError, ScriptFailure, ScriptRun};

const TABLE: &str = "Migrations";

/// Made by the program, before any script. OVERWRITE, because IF NOT EXISTS does nothing to a table that a mere write
/// has brought into being.
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

const OPERATION: &str = "apply a script";

const BEFORE: &str = "BEGIN; LET $merBegan = time::now();";
const LINES_BEFORE: usize = 1;
const STATEMENTS_BEFORE: usize = 2;

/// What a script may have set must decide neither where its row goes nor what becomes of it: `USE`, and the first line of
/// an export.
const RESET: &str = "
OPTION IMPORT = FALSE;
OPTION FORCE = FALSE;
USE NS $merNamespace DB $merDatabase;";

/// The number is the record's id: of two who apply the same script, one fails.
const AFTER: &str = "
CREATE ONLY type::record('Migrations', $merNumber) CONTENT {
    number: $merNumber, name: $merName, checksum: $merChecksum, merVersion: $merVersion, own: $merOwn,
    appliedAt: time::now(), durationMs: <float> duration::micros(time::now() - $merBegan) / 1000
};
COMMIT;";

/// A process that has taken the lock meanwhile has written the same record, and one of the two transactions fails.
const FENCE: &str = "
IF (SELECT VALUE owner FROM ONLY MigrationsLock:fence) != $merFence {
    THROW 'another process has taken the lock of migrations meanwhile'
};
UPSERT MigrationsLock:fence SET owner = $merFence, script = $merNumber RETURN NONE;";

const BACK: &str = "USE NS $merNamespace DB $merDatabase;";

const NOTE: &str = "
UPSERT type::record('Migrations', $merNumber) SET
    number = $merNumber, name = $merName, checksum = $merChecksum, merVersion = merVersion ?? $merVersion,
    own = own ?? $merOwn, appliedAt = appliedAt ?? time::now(), durationMs = durationMs ?? <float> $merMs
    RETURN AFTER;";

#[derive(Debug, SurrealValue)]
#[surreal(rename_all = "camelCase")]
struct AppliedRow {
    number: u32,
    name: String,
    checksum: String,
    applied_at: Datetime,
    duration_ms: f64,
    mer_version: String,
    own: Option<bool>,
}

impl AppliedRow {
    fn applied(self) -> Result<Applied, DalError> {
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
    pub(super) async fn read_uid(&self) -> Result<Uuid, DalError> {
        const UID: &str = "SELECT VALUE uid FROM DatabaseIdentity:this;";
        let mut results = self.run("read its uid", UID, variables([])).await?;
        let uids: Vec<Uuid> = take(&mut results, 0, "DatabaseIdentity")?;
        uids.into_iter().next().ok_or_else(|| DalError::NoSchema { database: self.database() })
    }

    pub(super) async fn write_new_uid(&self) -> Result<Uuid, DalError> {
        // Made anew, because the field cannot be changed.
        const ADOPT: &str =
            "BEGIN; DELETE DatabaseIdentity:this RETURN NONE; CREATE DatabaseIdentity:this RETURN NONE; COMMIT;";
        let before = self.read_uid().await?;
        self.mark_changed();
        self.write("give it a new uid", ADOPT, variables([])).await?;
        match self.read_uid().await? {
            same if same == before => Err(self.ignored("give it a new uid")),
            uid => Ok(uid),
        }
    }

    pub(super) async fn read_applied(&self) -> Result<Option<Vec<Applied>>, DalError> {
        const APPLIED: &str = "SELECT * FROM Migrations ORDER BY number;";
        let mut results = match self.run("list the applied scripts", APPLIED, variables([])).await {
            Err(DalError::NoSchema { .. }) => return Ok(None),
            results => results?,
        };
        let rows: Vec<AppliedRow> = take(&mut results, 0, TABLE)?;
        rows.into_iter().map(AppliedRow::applied).collect::<Result<_, _>>().map(Some)
    }

    pub(super) async fn define_migrations(&self) -> Result<(), DalError> {
        self.mark_changed();
        self.write("create the table `Migrations`", DEFINE, variables([])).await
    }

    /// With `fence`, the owner of the lock of migrations: the script's transaction writes it too, as does every process
    /// that takes the lock. So a script that still runs when another process has the lock, because its own was killed, is not kept.
    pub(super) async fn run_script(&self, fence: Option<Uuid>, script: &ScriptRun) -> Result<Applied, DalError> {
        self.mark_changed();
        let statements = statements(&script.sql);
        if script.in_transaction()
            && let Some(statement) = own_transaction(&statements)
        {
            return Err(DalError::own_transaction(&script.file, statement.line, statement.summary()));
        }
        let applied = if script.in_transaction() {
            self.run_inside(fence, script, statements.len()).await
        } else {
            self.run_outside(script).await
        };
        // The connection may have kept where the script went, also one that failed.
        let place = variables(self.place());
        if let Err(error) = self.run("go back to its own database", BACK, place).await {
            tracing::debug!(script = %script.file, error = %error, "the session of the script could not be cleaned");
        }
        applied
    }

    async fn run_inside(&self, fence: Option<Uuid>, script: &ScriptRun, count: usize) -> Result<Applied, DalError> {
        let fenced = if fence.is_some() { FENCE } else { "" };
        // A semicolon of its own for a script that ends without one; an empty statement is none. Behind a newline, because
        // the last line may be a comment.
        let after = [RESET, fenced, AFTER].concat();
        // Names that no script has a variable of, so that none is changed by one.
        let own = Uuid::new_v4().simple().to_string();
        let [before, after] = [BEFORE, &after].map(|text| renamed(text, &own));
        let text = format!("{before}\n{}\n;{after}", script.sql.trim_end());
        let mut given = values(script);
        given.extend(variables(self.place()));
        if let Some(fence) = fence {
            given.insert("merFence", fence);
        }
        let given = given.into_iter().map(|(name, value)| (format!("{name}{own}"), value)).collect();
        let mut results = match self.send_script(OPERATION, text.into(), given).await? {
            Ok(results) => results,
            Err(failure) => {
                let after = failure.statement.is_some_and(|index| index >= STATEMENTS_BEFORE + count);
                if after && !is_untold(&failure.error) && !is_conflict(&failure.error) {
                    let source = self.why(*failure.error);
                    return Err(DalError::ScriptRow { script: script.file.clone(), kept: false, source });
                }
                return Err(self.script_failed(script, failure, STATEMENTS_BEFORE, LINES_BEFORE));
            }
        };
        // Before the COMMIT.
        let row = results.num_statements().saturating_sub(2);
        left(&mut results, row, script)
    }

    /// Runs the one statement of a script that wants no transaction, then writes its row. Cut off between the two, it is
    /// run again.
    async fn run_outside(&self, script: &ScriptRun) -> Result<Applied, DalError> {
        let begun = Instant::now();
        if let Err(failure) = self.send_script(OPERATION, script.sql.clone().into(), variables([])).await? {
            return Err(self.script_failed(script, failure, 0, 0));
        }
        self.run("go back to its own database", BACK, variables(self.place())).await?;
        self.note(script, begun.elapsed()).await
    }

    /// Namespace and database of MER.
    fn place(&self) -> [(&'static str, Value); 2] {
        let (namespace, database) = self.namespace_and_database();
        [("merNamespace", namespace.into_value()), ("merDatabase", database.into_value())]
    }

    /// Names where in the script a query failed: by the statement's index, or by the position that a syntax error names.
    fn script_failed(
        &self,
        script: &ScriptRun,
        why: Failure,
        statements_before: usize,
        lines_before: usize,
    ) -> DalError {
        let (failure, source) = match why.statement {
            Some(index) => {
                let statements = statements(&script.sql);
                let found = index.checked_sub(statements_before).and_then(|index| statements.get(index));
                let failure = ScriptFailure {
                    line: found.map(|statement| statement.line),
                    statement: found.map(|statement| statement.summary()),
                    may_pass: is_race(&why.error),
                    ..ScriptFailure::default()
                };
                (failure, self.why(*why.error))
            }
            None => match syntax_error(why.error.message(), &script.sql, lines_before) {
                Some(SyntaxError { line, statement, message }) => {
                    (ScriptFailure { line: Some(line), statement, ..ScriptFailure::default() }, message.into())
                }
                None => (ScriptFailure::default(), self.why(*why.error)),
            },
        };
        DalError::Script { script: script.file.clone(), failure: failure.into(), source }
    }

    pub(super) async fn write_note(&self, script: &ScriptRun) -> Result<Applied, DalError> {
        self.mark_changed();
        self.note(script, Duration::ZERO).await
    }

    async fn note(&self, script: &ScriptRun, took: Duration) -> Result<Applied, DalError> {
        let mut values = values(script);
        values.insert("merMs", took.as_secs_f64() * 1000.0);
        let mut results = self.run("note a script as applied", NOTE, values).await?;
        left(&mut results, 0, script)
    }
}

/// A text of ours with other names of its variables.
fn renamed(text: &str, own: &str) -> String {
    let mut parts = text.split("$mer");
    let mut renamed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_alphanumeric()).unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        renamed.extend(["$mer", name, own, rest]);
    }
    renamed
}

fn values(script: &ScriptRun) -> Variables {
    variables([
        ("merNumber", script.number.into_value()),
        ("merName", script.name.clone().into_value()),
        ("merChecksum", script.checksum.clone().into_value()),
        ("merVersion", script.mer_version.clone().into_value()),
        ("merOwn", script.own.into_value()),
    ])
}

/// The row that a statement wrote.
fn left(results: &mut IndexedResults, index: usize, script: &ScriptRun) -> Result<Applied, DalError> {
    match results.take::<Option<AppliedRow>>(index) {
        Ok(Some(row)) => row.applied(),
        Ok(None) => Err(DalError::Row { table: TABLE, reason: format!("`{}` left no row", script.file) }),
        Err(error) => Err(DalError::Row { table: TABLE, reason: error.to_string() }),
    }
}
