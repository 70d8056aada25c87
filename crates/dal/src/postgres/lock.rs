//! The lock under which the database is migrated: an advisory lock on the connection that runs the scripts. So it is
//! free only when the server has ended the script, whatever happens to the process that sent it.
//!
//! It is polled rather than awaited in the server: a waiting statement keeps a snapshot open, and `CREATE INDEX
//! CONCURRENTLY`, run by the holder of the lock, waits for every open snapshot.

use std::{sync::Arc, time::Instant};

use sqlx::{Row as _, query, raw_sql};
use tokio::time::{sleep, timeout};

use super::{
    PostgresStore,
    call::failed,
    error::boxed,
    lock_holder,
    pool::{Connection, PostgresServer},
    script_session::SHORT,
};
use crate::{DalError, retry};

/// "MER" and a number: the two halves of the lock's key.
const CLASS: i32 = 0x004d_4552;
const OBJECT: i32 = 1;

const TAKE: &str = "SELECT pg_try_advisory_lock($1, $2)";
const TAKE_IN_TRANSACTION: &str = "SELECT pg_try_advisory_xact_lock($1, $2)";

const HELD: &str = "
SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()
    AND classid = $1::bigint::oid AND objid = $2::bigint::oid";

/// The lock, which is held as long as its connection is open.
#[derive(Debug)]
pub(crate) struct AdvisoryLock {
    connection: Connection,
    server: Arc<PostgresServer>,
}

impl AdvisoryLock {
    pub(crate) async fn check(&mut self) -> Result<(), DalError> {
        let asked = query(HELD).persistent(false).bind(i64::from(CLASS)).bind(i64::from(OBJECT));
        let source = match timeout(SHORT, asked.fetch_optional(&mut self.connection.raw)).await {
            Ok(Ok(Some(_))) => return Ok(()),
            Ok(Ok(None)) => "a script has given it back".into(),
            Ok(Err(error)) => boxed(error),
            Err(late) => late.into(),
        };
        Err(DalError::Lost { operation: "keep the lock of migrations", database: self.server.name(), source })
    }

    /// Returns the connection that holds the lock, if scripts can run on it. Through a pooler the lock lives in a
    /// transaction, which a script would end.
    pub(super) fn session(&mut self) -> Option<&mut Connection> {
        self.connection.target.statement_cache.then_some(&mut self.connection)
    }

    pub(crate) async fn release(self) {
        // The end of the connection releases the lock, even if closing it fails.
        let _ = timeout(SHORT, sqlx::Connection::close(self.connection.raw)).await;
    }
}

impl PostgresStore {
    pub(super) async fn take_lock(&self) -> Result<AdvisoryLock, DalError> {
        const OPERATION: &str = "lock the migrations";
        let server = self.server();
        let wait = server.wait;
        let begun = Instant::now();
        let mut connection = server.connect(server.script_purpose()).await?;
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
            let late = |_| DalError::Late { operation: OPERATION, database: server.name(), waited: SHORT };
            let row = timeout(SHORT, asked).await.map_err(late)?.map_err(fail)?;
            if row.try_get::<bool, _>(0).map_err(fail)? {
                return Ok(AdvisoryLock { connection, server: Arc::clone(server) });
            }
            if begun.elapsed() >= wait {
                let asked = timeout(SHORT, lock_holder::of_advisory_lock(&mut connection.raw, (CLASS, OBJECT))).await;
                let holder = asked.map_err(late)?.map_err(fail)?;
                return Err(DalError::Migrating { database: server.name(), holder, waited: begun.elapsed() });
            }
            tries += 1;
            sleep(retry::pause(tries).min(wait.saturating_sub(begun.elapsed()))).await;
        }
    }
}
