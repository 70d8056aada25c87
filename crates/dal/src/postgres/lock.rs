//! The lock under which the database is migrated: an advisory one, on a connection of its own.
//!
//! It is asked for again and again rather than waited for in the server: a waiting statement keeps a snapshot open, and
//! `CREATE INDEX CONCURRENTLY`, run by whoever has the lock, waits for every open snapshot.

use std::time::{Duration, Instant};

use sqlx::{PgConnection, Row as _, query, raw_sql};
use tokio::time::{sleep, timeout};

use super::{PostgresStore, call::failed, connect::Purpose, error::boxed, pool::Connection};
use crate::{DalError, retry};

/// "MER" and a number: the two halves of the lock's key.
const CLASS: i32 = 0x004d_4552;
const OBJECT: i32 = 1;

/// Bound on each short statement.
const SHORT: Duration = Duration::from_secs(10);

const TAKE: &str = "SELECT pg_try_advisory_lock($1, $2)";
const TAKE_IN_TRANSACTION: &str = "SELECT pg_try_advisory_xact_lock($1, $2)";

/// A user without rights to the details of others sees the pid only.
const HOLDER: &str = "
SELECT a.pid, coalesce(a.application_name, '') AS application, coalesce(a.usename, '') AS usename,
       coalesce(host(a.client_addr), '') AS client
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = $1::bigint::oid AND l.objid = $2::bigint::oid
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
LIMIT 1";

/// The lock, held as long as its connection is there.
#[derive(Debug)]
pub(crate) struct AdvisoryLock {
    connection: Connection,
    database: String,
}

impl AdvisoryLock {
    pub(crate) async fn check(&mut self) -> Result<(), DalError> {
        let source = match timeout(SHORT, raw_sql("SELECT 1").execute(&mut self.connection.raw)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => boxed(error),
            Err(late) => late.into(),
        };
        Err(DalError::Lost { operation: "keep the lock of migrations", database: self.database.clone(), source })
    }

    pub(crate) async fn release(self) {
        // It goes with the connection, whatever becomes of the farewell.
        let _ = timeout(SHORT, sqlx::Connection::close(self.connection.raw)).await;
    }
}

impl PostgresStore {
    pub(super) async fn take_lock(&self) -> Result<AdvisoryLock, DalError> {
        const OPERATION: &str = "lock the migrations";
        let server = self.server();
        let wait = server.wait;
        let begun = Instant::now();
        let mut connection = server.connect(Purpose { statement: SHORT, lock: SHORT }).await?;
        let user = connection.target.user.clone();
        let fail = |error| failed(server, OPERATION, user.clone(), error);
        // Through a pooler only a transaction keeps its connection, so there the lock lives in one.
        let statement = if connection.target.statement_cache {
            TAKE
        } else {
            raw_sql("BEGIN").execute(&mut connection.raw).await.map_err(fail)?;
            TAKE_IN_TRANSACTION
        };
        let mut tries = 0;
        loop {
            let asked = query(statement).persistent(false).bind(CLASS).bind(OBJECT).fetch_one(&mut connection.raw);
            let row = asked.await.map_err(fail)?;
            if row.try_get::<bool, _>(0).map_err(fail)? {
                return Ok(AdvisoryLock { connection, database: server.name() });
            }
            if begun.elapsed() >= wait {
                let holder = holder(&mut connection.raw).await.map_err(fail)?;
                return Err(DalError::Migrating { database: server.name(), holder, waited: begun.elapsed() });
            }
            tries += 1;
            sleep(retry::pause(tries).min(wait.saturating_sub(begun.elapsed()))).await;
        }
    }
}

async fn holder(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    let found = query(HOLDER)
        .persistent(false)
        .bind(i64::from(CLASS))
        .bind(i64::from(OBJECT))
        .fetch_optional(connection)
        .await?;
    let Some(row) = found else { return Ok("another process".to_owned()) };
    let field = |name: &str| row.try_get::<String, _>(name);
    let mut text = format!("the server's process {}", row.try_get::<i32, _>("pid")?);
    let mut more = Vec::new();
    for (before, field) in [("", field("application")?), ("user ", field("usename")?), ("from ", field("client")?)] {
        if !field.is_empty() {
            more.push(format!("{before}{field}"));
        }
    }
    if !more.is_empty() {
        text += &format!(" ({})", more.join(", "));
    }
    Ok(text)
}
