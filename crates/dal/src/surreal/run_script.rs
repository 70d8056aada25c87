//! Running a migration script.

use std::time::Instant;

use surrealdb::types::{SurrealValue, Value};
use uuid::Uuid;

use super::{
    SurrealStore,
    error::{is_conflict, is_not_executed, is_race},
    query::{Failure, variables},
    script::{SyntaxError, syntax_error, transaction_control},
    script_row::{values, written_row},
};
use crate::{Applied, DalError, Dialect, ScriptFailure, ScriptRun};

const OPERATION: &str = "apply a script";

const BEFORE: &str = "BEGIN; LET $merBegan = time::now();";
const LINES_BEFORE: usize = 1;
const STATEMENTS_BEFORE: usize = 2;

/// Resets what a script may have set, so that it decides neither where its row is written nor how: `USE`, and the first
/// line of an export.
const RESET: &str = "
OPTION IMPORT = FALSE;
OPTION FORCE = FALSE;
USE NS $merNamespace DB $merDatabase;";

/// The number is the record's id: if two processes apply the same script, one of them fails.
const AFTER: &str = "
CREATE ONLY type::record('Migrations', $merNumber) CONTENT {
    number: $merNumber, name: $merName, checksum: $merChecksum, merVersion: $merVersion, own: $merOwn,
    appliedAt: time::now(), durationMs: <float> duration::micros(time::now() - $merBegan) / 1000
};
COMMIT;";

/// A process that has taken the lock meanwhile has written the same record, so one of the two transactions fails.
const FENCE: &str = "
IF (SELECT VALUE owner FROM ONLY MigrationsLock:fence) != $merFence {
    THROW 'another process has taken the lock of migrations meanwhile'
};
UPSERT MigrationsLock:fence SET owner = $merFence, script = $merNumber RETURN NONE;";

const BACK: &str = "USE NS $merNamespace DB $merDatabase;";

impl SurrealStore {
    /// Runs a script. `fence` is the owner of the migration lock: the transaction of the script writes it, as does
    /// every process that takes the lock. So nothing is kept of a script that still runs when another process holds the
    /// lock, because its own process was killed.
    pub(super) async fn run_script(&self, fence: Option<Uuid>, script: &ScriptRun) -> Result<Applied, DalError> {
        self.mark_changed();
        let statements = Dialect::Surreal.statements(&script.sql);
        if script.in_transaction()
            && let Some(statement) = transaction_control(&statements)
        {
            return Err(script.controls_transaction(statement.line, statement.summary()));
        }
        let applied = if script.in_transaction() {
            self.run_inside(fence, script, statements.len()).await
        } else {
            self.run_outside(script).await
        };
        // A script, also one that failed, may have switched the connection to another database.
        let database = variables(self.session_database());
        if let Err(error) = self.run("go back to its own database", BACK, database).await {
            tracing::debug!(script = %script.file, error = %error, "the session of the script could not be cleaned");
        }
        applied
    }

    async fn run_inside(&self, fence: Option<Uuid>, script: &ScriptRun, count: usize) -> Result<Applied, DalError> {
        let fenced = if fence.is_some() { FENCE } else { "" };
        // Adds a semicolon for a script that ends without one; an empty statement does no harm. It follows a newline,
        // because the last line may be a comment.
        let after = [RESET, fenced, AFTER].concat();
        // A random suffix for our variables, so that no script changes one.
        let own = Uuid::new_v4().simple().to_string();
        let [before, after] = [BEFORE, &after].map(|text| renamed(text, &own));
        let text = format!("{before}\n{}\n;{after}", script.sql.trim_end());
        let mut given = values(script);
        given.extend(variables(self.session_database()));
        if let Some(fence) = fence {
            given.insert("merFence", fence);
        }
        let given = given.into_iter().map(|(name, value)| (format!("{name}{own}"), value)).collect();
        let mut results = match self.send_script(OPERATION, text.into(), given).await? {
            Ok(results) => results,
            Err(failure) => {
                let after = failure.statement.is_some_and(|index| index >= STATEMENTS_BEFORE + count);
                if after && !is_not_executed(&failure.error) && !is_conflict(&failure.error) {
                    let source = self.cause(*failure.error);
                    return Err(DalError::ScriptRow { script: script.file.clone(), kept: false, source });
                }
                return Err(self.script_failed(script, failure, STATEMENTS_BEFORE, LINES_BEFORE));
            }
        };
        // The statement before the COMMIT.
        let row = results.num_statements().saturating_sub(2);
        written_row(&mut results, row, script)
    }

    /// Runs the one statement of a script without a transaction, then writes its row. A script that was cut off between
    /// the two is run again.
    async fn run_outside(&self, script: &ScriptRun) -> Result<Applied, DalError> {
        let begun = Instant::now();
        if let Err(failure) = self.send_script(OPERATION, script.sql.clone().into(), variables([])).await? {
            return Err(self.script_failed(script, failure, 0, 0));
        }
        self.run("go back to its own database", BACK, variables(self.session_database())).await?;
        self.write_row(script, begun.elapsed()).await
    }

    /// Returns the variables for namespace and database of MER.
    fn session_database(&self) -> [(&'static str, Value); 2] {
        let (namespace, database) = self.namespace_and_database();
        [("merNamespace", namespace.into_value()), ("merDatabase", database.into_value())]
    }

    /// Returns the error of a script, with the position at which it failed: the statement with that index, or the
    /// position that a syntax error names.
    fn script_failed(
        &self,
        script: &ScriptRun,
        why: Failure,
        statements_before: usize,
        lines_before: usize,
    ) -> DalError {
        let (failure, source) = match why.statement {
            Some(index) => {
                let statements = Dialect::Surreal.statements(&script.sql);
                let found = index.checked_sub(statements_before).and_then(|index| statements.get(index));
                let failure = ScriptFailure {
                    line: found.map(|statement| statement.line),
                    statement: found.map(|statement| statement.summary()),
                    may_pass: is_race(&why.error),
                    ..ScriptFailure::default()
                };
                (failure, self.cause(*why.error))
            }
            None => match syntax_error(why.error.message(), &script.sql, lines_before) {
                Some(SyntaxError { line, statement, message }) => {
                    (ScriptFailure { line: Some(line), statement, ..ScriptFailure::default() }, message.into())
                }
                None => (ScriptFailure::default(), self.cause(*why.error)),
            },
        };
        DalError::Script { script: script.file.clone(), failure: failure.into(), source }
    }
}

/// Adds a suffix to the names of our variables in a text.
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
