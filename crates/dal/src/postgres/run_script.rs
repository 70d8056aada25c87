//! Running a migration script.

use std::{future::poll_fn, pin::Pin, time::Instant};

use futures_core::Stream;
use sqlx::{
    AssertSqlSafe, Error, PgConnection,
    postgres::{PgErrorPosition, PgRow},
    query, raw_sql,
};
use tokio::time::timeout;

use super::{
    PostgresStore,
    call::{failed, watched},
    error::{ErrorClass, boxed, classify, server_error},
    lock::AdvisoryLock,
    pool::{Connection, PostgresServer},
    script::{concurrent_index, copy_through_client, transaction_control},
    script_row::applied_row,
    script_session::{self, Before, RESET, SHORT, in_schema},
};
use crate::{Applied, DalError, Dialect, ScriptFailure, ScriptRun, script_statements::line_of};

/// The number is the key: if two processes apply the same script, one of them fails.
const APPLY: &str = r#"
INSERT INTO {schema}."Migrations" ("number", "name", "checksum", "appliedAt", "durationMs", "merVersion", "own")
VALUES ($1, $2, $3, clock_timestamp(), $4, $5, $6) RETURNING *"#;

const TRANSACTION: &str = "SELECT pg_current_xact_id()::text";
const SAME_TRANSACTION: &str = "SELECT pg_current_xact_id_if_assigned()::text = $1";

impl PostgresStore {
    /// Runs a script on the connection that holds the lock, with bounds of its own. Nothing is repeated: the next
    /// holder of the lock reads whether a script that was cut off has been applied.
    pub(super) async fn run_script(
        &self,
        lock: Option<&mut AdvisoryLock>,
        script: &ScriptRun,
    ) -> Result<Applied, DalError> {
        let statements = Dialect::Postgres.statements(&script.sql);
        if script.in_transaction()
            && let Some(statement) = transaction_control(&statements)
        {
            return Err(script.controls_transaction(statement.line, statement.summary()));
        }
        if let Some(statement) = copy_through_client(&statements) {
            const WHY: &str =
                "rows that follow in the text are for `psql`: `pg_dump --inserts` writes statements instead";
            return Err(script.refused(statement.line, statement.summary(), WHY));
        }
        if let Some(connection) = lock.and_then(AdvisoryLock::session) {
            return self.run_script_on(connection, script).await;
        }
        let mut connection = self.server().connect(self.server().script_purpose()).await?;
        let applied = self.run_script_on(&mut connection, script).await;
        let _ = timeout(SHORT, sqlx::Connection::close(connection.raw)).await;
        applied
    }

    async fn run_script_on(&self, connection: &mut Connection, script: &ScriptRun) -> Result<Applied, DalError> {
        const OPERATION: &str = "apply a script";
        let server = self.server();
        let bound = server.settings.script_timeout;
        let mut holder = None;
        let outcome = watched(server, bound, run(server, &mut connection.raw, script), &mut holder).await;
        let Some(outcome) = outcome else {
            self.stop_script().await;
            return Err(DalError::Late { operation: OPERATION, database: server.name(), waited: bound });
        };
        server.script_runs(None);
        let looks = connection.target.statement_cache;
        let cleaned = timeout(SHORT, script_session::clean(&mut connection.raw, outcome.is_err(), looks)).await;
        if !matches!(cleaned, Ok(Ok(()))) {
            tracing::debug!(script = %script.file, "the session of the script could not be cleaned");
        }
        match outcome {
            Ok(row) => applied_row(&row),
            Err(Stopped::InScript { error, completed }) if is_about_the_script(&error) => {
                let class = classify(&error);
                let holder = holder.filter(|_| class == ErrorClass::Locked);
                let may_pass = matches!(
                    class,
                    ErrorClass::Locked
                        | ErrorClass::Late
                        | ErrorClass::Conflict
                        | ErrorClass::Short
                        | ErrorClass::NotReady
                );
                let failure = ScriptFailure { holder, may_pass, ..position(&error, &script.sql, completed) };
                Err(DalError::Script { script: script.file.clone(), failure: failure.into(), source: boxed(error) })
            }
            Err(Stopped::LeftTransaction) => {
                const WHY: &str = "it ended the transaction that it shares with its row in `Migrations`: what stands before \
                                   that end is kept, and the script is not on record as applied";
                let (script, failure) = (script.file.clone(), ScriptFailure::default());
                Err(DalError::Script { script, failure: failure.into(), source: WHY.into() })
            }
            Err(Stopped::Row(error)) if is_about_the_script(&error) => {
                let kept = !script.in_transaction();
                Err(DalError::ScriptRow { script: script.file.clone(), kept, source: boxed(error) })
            }
            Err(Stopped::InScript { error, .. } | Stopped::Row(error) | Stopped::Around(error)) => {
                Err(failed(server, OPERATION, connection.target.user.clone(), error))
            }
        }
    }
}

/// Returns whether the script is at fault, and not a lost connection.
fn is_about_the_script(error: &Error) -> bool {
    classify(error) != ErrorClass::Lost
}

/// Why a script was stopped.
enum Stopped {
    /// A statement failed, after this many had completed.
    InScript { error: Error, completed: usize },
    /// The script ended the transaction in which its row must be written.
    LeftTransaction,
    /// The row could not be written.
    Row(Error),
    /// A statement before the script failed.
    Around(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Around(error)
    }
}

async fn run(server: &PostgresServer, connection: &mut PgConnection, script: &ScriptRun) -> Result<PgRow, Stopped> {
    let begun = Instant::now();
    let before = Before::of(connection).await?;
    server.script_runs(Some(before.process.clone()));
    let transaction = if script.in_transaction() {
        raw_sql("BEGIN").execute(&mut *connection).await?;
        if !script.own {
            before.put_first(connection).await?;
        }
        let row = query(TRANSACTION).persistent(false).fetch_one(&mut *connection).await?;
        Some(sqlx::Row::try_get::<String, _>(&row, 0)?)
    } else {
        drop_half_made_index(connection, &script.sql).await?;
        None
    };
    let mut completed = 0;
    {
        // The results arrive one by one: their number tells which statement failed.
        let mut results = raw_sql(AssertSqlSafe(script.sql.as_str())).execute_many(&mut *connection);
        while let Some(result) = next(&mut results).await {
            result.map_err(|error| Stopped::InScript { error, completed })?;
            completed += 1;
        }
    }
    if let Some(transaction) = &transaction {
        // Finds an end of the transaction that the check of the text missed, such as one behind strings that the server
        // parses otherwise.
        let asked = query(SAME_TRANSACTION).persistent(false).bind(transaction);
        let row = asked.fetch_one(&mut *connection).await.map_err(Stopped::Row)?;
        if sqlx::Row::try_get::<Option<bool>, _>(&row, 0)? != Some(true) {
            return Err(Stopped::LeftTransaction);
        }
    }
    raw_sql(RESET).execute(&mut *connection).await.map_err(Stopped::Row)?;
    // Not prepared under a name: the statement is used once.
    let row = query(in_schema(APPLY, &before.schema))
        .persistent(false)
        .bind(i64::from(script.number))
        .bind(&script.name)
        .bind(&script.checksum)
        .bind(begun.elapsed().as_secs_f64() * 1000.0)
        .bind(&script.mer_version)
        .bind(script.own)
        .fetch_one(&mut *connection)
        .await
        .map_err(Stopped::Row)?;
    if transaction.is_some() {
        raw_sql("COMMIT").execute(&mut *connection).await.map_err(Stopped::Row)?;
    }
    Ok(row)
}

/// Drops an invalid index: building one outside of a transaction may leave it behind, and `IF NOT EXISTS` would accept
/// it when the script is run again. An index that another session is building is waited for.
async fn drop_half_made_index(connection: &mut PgConnection, script: &str) -> Result<(), Error> {
    const INVALID: &str = "SELECT indexrelid::regclass::text, indrelid::regclass::text FROM pg_index
        WHERE NOT indisvalid AND indexrelid = to_regclass($1)";
    let statements = Dialect::Postgres.statements(script);
    let Some(name) = statements.first().and_then(|statement| concurrent_index(statement.text)) else { return Ok(()) };
    let found = query(INVALID).persistent(false).bind(name).fetch_optional(&mut *connection).await?;
    let Some(row) = found else { return Ok(()) };
    // The server returns the names with the quotes that they need.
    let index: String = sqlx::Row::try_get(&row, 0)?;
    let table: String = sqlx::Row::try_get(&row, 1)?;
    // A session that builds an index holds this lock on its table until the index is valid.
    let builders = format!("BEGIN; LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE; COMMIT");
    raw_sql(AssertSqlSafe(builders)).execute(&mut *connection).await?;
    if query(INVALID).persistent(false).bind(name).fetch_optional(&mut *connection).await?.is_none() {
        return Ok(());
    }
    tracing::warn!(%index, "an index that was only half made is removed, and made anew");
    let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {index}");
    raw_sql(AssertSqlSafe(drop)).execute(connection).await.map(|_| ())
}

/// Returns where in the script the server stopped: at the position in its error, or in the statement after the
/// completed ones.
fn position(error: &Error, script: &str, completed: usize) -> ScriptFailure {
    let statements = Dialect::Postgres.statements(script);
    let position = server_error(error).and_then(|error| match error.position() {
        Some(PgErrorPosition::Original(position)) => Some(position),
        _ => None,
    });
    // The position counts characters, from 1.
    let at = position.and_then(|position| script.char_indices().nth(position.checked_sub(1)?)).map(|(at, _)| at);
    let statement = match at {
        Some(at) => statements.iter().rev().find(|statement| statement.begin <= at),
        None => statements.get(completed),
    };
    ScriptFailure {
        line: at.map(|at| line_of(script, at)).or_else(|| statement.map(|statement| statement.line)),
        statement: statement.map(|statement| statement.summary()),
        ..ScriptFailure::default()
    }
}

async fn next<T>(stream: &mut (impl Stream<Item = T> + Unpin)) -> Option<T> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}
