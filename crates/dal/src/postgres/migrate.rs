//! The verbs of the migrations program.

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
    call::{call, failed},
    connect::Purpose,
    error::{boxed, code, server_error},
    rows::{get, small},
    script::{concurrent_index, line_of, own_transaction, statements},
    types::Time,
};
use crate::{Applied, DalError, ScriptFailure, ScriptRun};

const TABLE: &str = "Migrations";

/// Made by the program, before any script.
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

/// The number is the key: of two who apply the same script, one fails.
const APPLY: &str = r#"
INSERT INTO "Migrations" ("number", "name", "checksum", "appliedAt", "durationMs", "merVersion", "own")
VALUES ($1, $2, $3, clock_timestamp(), $4, $5, $6) RETURNING *"#;

const NOTE: &str = r#"
INSERT INTO "Migrations" ("number", "name", "checksum", "appliedAt", "durationMs", "merVersion", "own")
VALUES ($1, $2, $3, clock_timestamp(), 0, $4, $5)
ON CONFLICT ("number") DO UPDATE SET "name" = EXCLUDED."name", "checksum" = EXCLUDED."checksum" RETURNING *"#;

/// Codes of "there is one already", by which another process that makes the same table is noticed.
const MADE_ALREADY: [&str; 3] = ["23505", "42P07", "42710"];

impl PostgresStore {
    pub(super) async fn read_encoding(&self) -> Result<(), DalError> {
        let row: PgRow = call!(self.server(), "ask for its encoding", |connection| {
            self.query("SHOW server_encoding").fetch_one(&mut *connection).await
        });
        let encoding: String = get("server_encoding", &row, "server_encoding")?;
        if encoding == "UTF8" {
            return Ok(());
        }
        Err(DalError::Encoding { database: self.server().name(), encoding })
    }

    pub(super) async fn read_applied(&self) -> Result<Option<Vec<Applied>>, DalError> {
        let read = async {
            Ok::<Vec<PgRow>, DalError>(call!(self.server(), "list the applied scripts", |connection| {
                self.query(APPLIED).fetch_all(&mut *connection).await
            }))
        };
        match read.await {
            Err(DalError::NoSchema { .. }) => Ok(None),
            rows => rows?.iter().map(applied).collect::<Result<_, _>>().map(Some),
        }
    }

    pub(super) async fn define_migrations(&self) -> Result<(), DalError> {
        call!(self.server(), "create the table `Migrations`", |connection| {
            match self.query(DEFINE).execute(&mut *connection).await {
                Err(error) if MADE_ALREADY.contains(&code(&error)) => Ok(()),
                outcome => outcome.map(|_| ()),
            }
        });
        Ok(())
    }

    /// On a connection of its own, with bounds of its own. Nothing is tried again: whether a script that was cut off has
    /// been applied is to be looked up by whoever has the lock next.
    pub(super) async fn run_script(&self, script: &ScriptRun) -> Result<Applied, DalError> {
        const OPERATION: &str = "apply a script";
        if script.in_transaction()
            && let Some(statement) = own_transaction(&statements(&script.sql))
        {
            return Err(DalError::own_transaction(script, statement.line, statement.summary()));
        }
        let server = self.server();
        let bound = server.settings.script_timeout;
        let mut connection = server.connect(Purpose { statement: bound, lock: server.wait }).await?;
        let user = connection.target.user.clone();
        let Ok(outcome) = timeout(bound, run(&mut connection.raw, script)).await else {
            return Err(DalError::Late { operation: OPERATION, database: server.name(), waited: bound });
        };
        let _ = timeout(bound, sqlx::Connection::close(connection.raw)).await;
        match outcome {
            Ok(row) => applied(&row),
            Err(Stopped::InScript { error, completed }) if server_error(&error).is_some() => Err(DalError::Script {
                script: script.file.clone(),
                failure: place(&error, &script.sql, completed),
                source: boxed(error),
            }),
            Err(Stopped::InScript { error, .. } | Stopped::Around(error)) => {
                Err(failed(server, OPERATION, user, error))
            }
        }
    }
}

impl PostgresStore {
    pub(super) async fn write_note(&self, script: &ScriptRun) -> Result<Applied, DalError> {
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
        applied(&row)
    }
}

/// What stopped a script.
enum Stopped {
    /// One of its statements, after so many.
    InScript { error: Error, completed: usize },
    /// The transaction, or the row.
    Around(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Around(error)
    }
}

async fn run(connection: &mut PgConnection, script: &ScriptRun) -> Result<PgRow, Stopped> {
    let begun = Instant::now();
    let transaction = script.in_transaction();
    if transaction {
        raw_sql("BEGIN").execute(&mut *connection).await?;
    } else {
        drop_half_made_index(connection, &script.sql).await?;
    }
    let mut completed = 0;
    {
        // One statement after the other as far as the results are concerned: their number tells which one failed.
        let mut results = raw_sql(AssertSqlSafe(script.sql.as_str())).execute_many(&mut *connection);
        while let Some(result) = next(&mut results).await {
            result.map_err(|error| Stopped::InScript { error, completed })?;
            completed += 1;
        }
    }
    // Unnamed: it is used once.
    let row = query(APPLY)
        .persistent(false)
        .bind(i64::from(script.number))
        .bind(&script.name)
        .bind(&script.checksum)
        .bind(begun.elapsed().as_secs_f64() * 1000.0)
        .bind(&script.mer_version)
        .bind(script.own)
        .fetch_one(&mut *connection)
        .await?;
    if transaction {
        raw_sql("COMMIT").execute(&mut *connection).await?;
    }
    Ok(row)
}

/// Building an index outside of a transaction may leave one behind that is not valid, and that `IF NOT EXISTS` would take
/// for the real one when the script is run again.
async fn drop_half_made_index(connection: &mut PgConnection, script: &str) -> Result<(), Error> {
    const INVALID: &str = "SELECT indexrelid::regclass::text FROM pg_index
        WHERE NOT indisvalid AND indexrelid = to_regclass($1)";
    let statements = statements(script);
    let Some(name) = statements.first().and_then(|statement| concurrent_index(statement.text)) else { return Ok(()) };
    let found = query(INVALID).persistent(false).bind(name).fetch_optional(&mut *connection).await?;
    let Some(row) = found else { return Ok(()) };
    let index: String = sqlx::Row::try_get(&row, 0)?;
    tracing::warn!(%index, "an index that was only half made is removed, and made anew");
    // Its name comes from the server, with the quotes that it needs.
    let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {index}");
    raw_sql(AssertSqlSafe(drop)).execute(connection).await.map(|_| ())
}

/// Where in the script the server stopped: at the position that it names, or in the statement whose turn it was.
fn place(error: &Error, script: &str, completed: usize) -> ScriptFailure {
    let statements = statements(script);
    let position = server_error(error).and_then(|error| match error.position() {
        Some(PgErrorPosition::Original(position)) => Some(position),
        _ => None,
    });
    // It counts characters, from 1.
    let at = position.and_then(|position| script.char_indices().nth(position.checked_sub(1)?)).map(|(at, _)| at);
    let statement = match at {
        Some(at) => statements.iter().rev().find(|statement| statement.begin <= at),
        None => statements.get(completed),
    };
    ScriptFailure {
        line: at.map(|at| line_of(script, at)).or_else(|| statement.map(|statement| statement.line)),
        statement: statement.map(|statement| statement.summary()),
    }
}

fn applied(row: &PgRow) -> Result<Applied, DalError> {
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

async fn next<T>(stream: &mut (impl Stream<Item = T> + Unpin)) -> Option<T> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}
