//! Describes the session of the server that holds a lock.

use std::time::Duration;

use sqlx::{PgConnection, Row as _, postgres::PgRow, query};
use tokio::time::sleep;

use super::{connect::Purpose, pool::PostgresServer, script_session::SHORT};

/// Maximum time before the end of a wait for a lock at which its holder is looked up; it must be found while the wait
/// lasts.
const LEAD: Duration = Duration::from_secs(3);

/// Pauses between two queries.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Columns other than the pid are empty if the user lacks the right to see them.
const OF_ADVISORY_LOCK: &str = "
SELECT a.pid, coalesce(a.application_name, '') AS application, coalesce(a.usename, '') AS usename,
       coalesce(host(a.client_addr), '') AS client
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = $1::bigint::oid AND l.objid = $2::bigint::oid
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
LIMIT 1";

/// Connections of this process are recognised by their application name, which contains the pid.
const OF_OURS: &str = "
SELECT a.pid, coalesce(a.application_name, '') AS application, coalesce(a.usename, '') AS usename,
       coalesce(host(a.client_addr), '') AS client
FROM pg_stat_activity ours CROSS JOIN LATERAL unnest(pg_blocking_pids(ours.pid)) AS blocking(pid)
JOIN pg_stat_activity a ON a.pid = blocking.pid
WHERE ours.wait_event_type = 'Lock' AND ours.datname = current_database()
  AND ours.usename = session_user AND ours.application_name = current_setting('application_name')
LIMIT 1";

/// Returns the session that has the advisory lock with this key.
pub(super) async fn of_advisory_lock(
    connection: &mut PgConnection,
    (class, object): (i32, i32),
) -> Result<String, sqlx::Error> {
    let asked = query(OF_ADVISORY_LOCK).persistent(false).bind(i64::from(class)).bind(i64::from(object));
    let found = asked.fetch_optional(connection).await?;
    found.map_or_else(|| Ok("another process".to_owned()), |row| described(&row))
}

/// Finds, over a separate connection, the session that holds the lock which a statement of this process waits for;
/// begins shortly before that wait runs out. Returns only once it has found one.
pub(super) async fn of_awaited_lock(server: &PostgresServer) -> String {
    let lead = LEAD.min(server.wait / 2);
    sleep(server.wait - lead).await;
    let mut pause = FIRST_PAUSE;
    loop {
        if let Ok(mut connection) = server.connect(Purpose::short(SHORT)).await {
            while let Ok(found) = query(OF_OURS).persistent(false).fetch_optional(&mut connection.raw).await {
                if let Some(holder) = found.and_then(|row| described(&row).ok()) {
                    return holder;
                }
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        // A server that accepts no second connection is asked rarely.
        sleep(LONGEST_PAUSE).await;
    }
}

fn described(row: &PgRow) -> Result<String, sqlx::Error> {
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
