//! The session in which migration scripts run: its settings, and how it is reset after a script.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Error, PgConnection, Row as _, query, raw_sql};
use tokio::time::timeout;

/// Settings with which a server notices within a minute that its client's machine is gone. They apply to TCP only.
pub(super) const KEEPALIVE: [(&str, &str); 3] =
    [("tcp_keepalives_idle", "30"), ("tcp_keepalives_interval", "10"), ("tcp_keepalives_count", "3")];

/// Bound on one short statement.
pub(super) const SHORT: Duration = Duration::from_secs(10);

/// Makes the server check twice a second, while a statement runs, whether its client is still connected.
const LOOK_FOR_CLIENT: &str = "SET client_connection_check_interval = '500ms'";

/// Resets what a script may have set, so that it decides neither where the row of the script goes nor as which role it
/// is written. Can be run inside a transaction.
pub(super) const RESET: &str = "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL";

/// Resets what a script may have left in the session, except for locks: the migration lock is one of them.
const CLEAN: &str = "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *; DEALLOCATE ALL; \
                     DISCARD PLANS; DISCARD SEQUENCES; DISCARD TEMP";

/// A process of the server. The time of its start distinguishes it from a later process with the same pid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerProcess {
    pub(super) pid: i32,
    pub(super) started: String,
}

/// State of a session before a script runs in it.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) process: ServerProcess,
    /// Schema of the table `Migrations`, quoted if necessary.
    pub(super) schema: String,
    /// Whether names without a schema refer to that one.
    pub(super) is_first: bool,
}

impl Before {
    /// Reads the state of the session.
    pub(super) async fn of(connection: &mut PgConnection) -> Result<Self, Error> {
        const ASK: &str = r#"
            SELECT pg_backend_pid() AS pid,
                (SELECT backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()) AS started,
                quote_ident(n.nspname) AS schema, n.nspname = current_schema() AS first
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = '"Migrations"'::regclass"#;
        let row = query(ASK).persistent(false).fetch_one(connection).await?;
        let started: Option<String> = row.try_get("started")?;
        let process = ServerProcess { pid: row.try_get("pid")?, started: started.unwrap_or_default() };
        let is_first: Option<bool> = row.try_get("first")?;
        Ok(Self { process, schema: row.try_get("schema")?, is_first: is_first.unwrap_or(false) })
    }

    /// Makes names without a schema refer to the schema of `Migrations` until the end of the transaction. Otherwise a
    /// schema with the user's name, created after the first migration, would get the tables of the next one.
    pub(super) async fn put_first(&self, connection: &mut PgConnection) -> Result<(), Error> {
        const PUT: &str = "SELECT set_config('search_path', $1 || ', ' || current_setting('search_path'), true)";
        if self.is_first {
            return Ok(());
        }
        query(PUT).persistent(false).bind(&self.schema).execute(connection).await.map(|_| ())
    }
}

/// Makes the server end a running statement soon after this process is gone. Changes nothing if the server's system
/// does not support that.
pub(super) async fn look_for_client(connection: &mut PgConnection) {
    if let Ok(Err(error)) = timeout(SHORT, raw_sql(LOOK_FOR_CLIENT).execute(connection)).await {
        tracing::debug!(%error, "the server cannot look for its client while a statement runs");
    }
}

/// Resets a session after a script, also after one that failed.
pub(super) async fn clean(connection: &mut PgConnection, failed: bool, looks: bool) -> Result<(), Error> {
    if failed {
        raw_sql("ROLLBACK").execute(&mut *connection).await?;
    }
    raw_sql(CLEAN).execute(&mut *connection).await?;
    if looks {
        look_for_client(connection).await;
    }
    Ok(())
}

/// Returns the text of one of our statements for a table in this schema.
pub(super) fn in_schema(text: &str, schema: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(text.replace("{schema}", schema))
}
