//! The access log.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mer_core::{Access, AccessKind, AttemptKey};
use sqlx::{
    Postgres,
    postgres::{PgArguments, PgRow},
    query::Query,
};
use uuid::Uuid;

use super::{
    PostgresStore,
    call::call,
    rows::{self, claims, count, text},
    wire_types::{Id, Time},
};
use crate::{AccessFilter, DalError, pages::Cursor};

/// How many rows go into one statement.
const BATCH_ROWS: usize = 1000;

/// How many bytes of text may go into one statement, or a little more.
const BATCH_BYTES: usize = 4 << 20;

/// Of two records of an attempt the one of the higher rank stays, and of equals the first: `Status::rank`.
const RECORD: &str = r#"
INSERT INTO "ModelAccess" AS known (
    "requestUid", "attempt", "model", "server", "kind", "protocol", "weightsVersion", "weightsSha256", "caller",
    "callerPid", "startAccess", "stopAccess", "status", "exitCode", "signal", "queueMs", "connectMs", "startMs", "runMs",
    "stdinBytes", "stdoutBytes", "stderrBytes", "stdinSha256", "stdoutSha256", "stderrTail", "error",
    "callerClaims")
SELECT * FROM unnest(
    $1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::text[],
    $10::bigint[], $11::timestamptz[], $12::timestamptz[], $13::text[], $14::integer[], $15::text[],
    $16::double precision[], $17::double precision[], $18::double precision[], $19::double precision[],
    $20::bigint[], $21::bigint[], $22::bigint[], $23::text[], $24::text[], $25::text[], $26::text[],
    $27::text[]::jsonb[])
ON CONFLICT ("requestUid", "attempt") DO UPDATE SET
    "model" = EXCLUDED."model", "server" = EXCLUDED."server", "kind" = EXCLUDED."kind",
    "protocol" = EXCLUDED."protocol", "weightsVersion" = EXCLUDED."weightsVersion",
    "weightsSha256" = EXCLUDED."weightsSha256", "caller" = EXCLUDED."caller", "callerPid" = EXCLUDED."callerPid",
    "startAccess" = EXCLUDED."startAccess", "stopAccess" = EXCLUDED."stopAccess", "status" = EXCLUDED."status",
    "exitCode" = EXCLUDED."exitCode", "signal" = EXCLUDED."signal", "queueMs" = EXCLUDED."queueMs",
    "connectMs" = EXCLUDED."connectMs", "startMs" = EXCLUDED."startMs", "runMs" = EXCLUDED."runMs",
    "stdinBytes" = EXCLUDED."stdinBytes", "stdoutBytes" = EXCLUDED."stdoutBytes",
    "stderrBytes" = EXCLUDED."stderrBytes", "stdinSha256" = EXCLUDED."stdinSha256",
    "stdoutSha256" = EXCLUDED."stdoutSha256", "stderrTail" = EXCLUDED."stderrTail", "error" = EXCLUDED."error",
    "callerClaims" = EXCLUDED."callerClaims"
WHERE CASE EXCLUDED."status" WHEN 'started' THEN 0 WHEN 'lost' THEN 1 ELSE 2 END
    > CASE known."status" WHEN 'started' THEN 0 WHEN 'lost' THEN 1 ELSE 2 END"#;

/// Accesses that meet a condition, newest first, behind the last one of the page before.
macro_rules! newest {
    ($condition:literal) => {
        concat!(
            r#"SELECT * FROM "ModelAccess" WHERE "#,
            $condition,
            r#""startAccess" >= $2 AND ("startAccess", "requestUid", "attempt") < ($3, $4, $5) AND "kind" = ANY($6)
            ORDER BY "startAccess" DESC, "requestUid" DESC, "attempt" DESC LIMIT $1"#
        )
    };
}

const NEWEST: &str = newest!("");

/// The index has the first [`INDEXED`] letters of the name only: an index entry of PostgreSQL ends at 2,704 bytes, a
/// name need not. A name of fewer letters has just this one condition, as two would mislead the planner.
const NEWEST_OF_MODEL: &str = newest!(r#"left("model", 200) = $7 AND "#);

const NEWEST_OF_LONG_NAME: &str = newest!(r#"left("model", 200) = left($7, 200) AND "model" = $7 AND "#);

const NEWEST_OF_VERSION: &str =
    newest!(r#"left("model", 200) = left($7, 200) AND "model" = $7 AND "weightsVersion" = $8 AND "#);

const INDEXED: usize = 200;

/// About the earliest time that the server can hold, in seconds: the year 4368 BC.
const EARLIEST: i64 = -200_000_000_000;

const REQUEST: &str = r#"SELECT * FROM "ModelAccess" WHERE "requestUid" = $1 ORDER BY "attempt""#;

const BETWEEN: &str = r#"
SELECT * FROM "ModelAccess" WHERE "requestUid" BETWEEN $1 AND $2 ORDER BY "requestUid", "attempt" LIMIT $3"#;

/// Every kind that there is.
const KINDS: [AccessKind; 3] = [AccessKind::Infer, AccessKind::Train, AccessKind::Ping];

const PAGE: &str = r#"
SELECT * FROM "ModelAccess" WHERE ("requestUid", "attempt") > ($1, $2)
ORDER BY "requestUid", "attempt" LIMIT $3"#;

impl PostgresStore {
    pub(super) async fn write_accesses(&self, accesses: &[Access]) -> Result<(), DalError> {
        let mut rest = accesses;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fitting = rest.iter().take(BATCH_ROWS).take_while(|access| {
                let fits = bytes < BATCH_BYTES;
                bytes += access.stderr_tail.len() + access.error.as_ref().map_or(0, String::len);
                fits
            });
            let (batch, later) = rest.split_at(fitting.count().max(1));
            self.write_batch(batch).await?;
            rest = later;
        }
        Ok(())
    }

    async fn write_batch(&self, batch: &[Access]) -> Result<(), DalError> {
        // One statement cannot touch a row twice: of several records of one attempt the best goes. In the order of
        // their keys, so that two writers of the same rows wait for each other and do not deadlock.
        let mut best: BTreeMap<AttemptKey, &Access> = BTreeMap::new();
        for access in batch {
            let entry = best.entry(access.key()).or_insert(access);
            if access.status.rank() > entry.status.rank() {
                *entry = access;
            }
        }
        let rows: Vec<&Access> = best.into_values().collect();
        call!(self.server(), "record accesses", |connection| self
            .record(&rows)
            .execute(&mut *connection)
            .await
            .map(|_| ()));
        Ok(())
    }

    pub(super) async fn read_accesses(
        &self,
        filter: &AccessFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<Access>, DalError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let earliest = Timestamp::from_second(EARLIEST).unwrap_or(Timestamp::UNIX_EPOCH);
        let since = Time(filter.since.map_or(earliest, |since| since.max(earliest)));
        let start = Time(after.map_or(Timestamp::MAX, |last| last.start));
        let request = Id(after.map_or(Uuid::max(), |last| last.key.request_uid));
        let attempt = after.map_or(i64::MAX, |last| last.key.attempt.into());
        let kinds = if filter.kinds.is_empty() { KINDS.as_slice() } else { &filter.kinds };
        let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
        let rows: Vec<PgRow> = call!(self.server(), "list the accesses", |connection| {
            let text = match (&filter.model, filter.version) {
                (None, _) => NEWEST,
                (Some(_), Some(_)) => NEWEST_OF_VERSION,
                (Some(model), None) if model.chars().nth(INDEXED - 1).is_none() => NEWEST_OF_MODEL,
                (Some(_), None) => NEWEST_OF_LONG_NAME,
            };
            let mut query =
                self.query(text).bind(limit).bind(since).bind(start).bind(request).bind(attempt).bind(&kinds);
            if let Some(model) = &filter.model {
                query = query.bind(model);
                if let Some(version) = filter.version {
                    query = query.bind(count(version));
                }
            }
            query.fetch_all(&mut *connection).await
        });
        rows.iter().map(rows::access).collect()
    }

    pub(super) async fn read_between(&self, first: Uuid, last: Uuid, limit: usize) -> Result<Vec<Access>, DalError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows: Vec<PgRow> = call!(self.server(), "find the request", |connection| {
            self.query(BETWEEN).bind(Id(first)).bind(Id(last)).bind(limit).fetch_all(&mut *connection).await
        });
        rows.iter().map(rows::access).collect()
    }

    pub(super) async fn read_request(&self, request: Uuid) -> Result<Vec<Access>, DalError> {
        let rows: Vec<PgRow> = call!(self.server(), "find the request", |connection| {
            self.query(REQUEST).bind(Id(request)).fetch_all(&mut *connection).await
        });
        rows.iter().map(rows::access).collect()
    }

    pub(super) async fn read_accesses_after(&self, key: AttemptKey, limit: usize) -> Result<Vec<Access>, DalError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows: Vec<PgRow> = call!(self.server(), "read the accesses", |connection| {
            let query = self.query(PAGE).bind(Id(key.request_uid)).bind(i64::from(key.attempt)).bind(limit);
            query.fetch_all(&mut *connection).await
        });
        rows.iter().map(rows::access).collect()
    }

    /// One array a column.
    pub(super) fn record<'q>(&self, rows: &[&'q Access]) -> Query<'q, Postgres, PgArguments> {
        macro_rules! column {
            (|$access:ident| $value:expr) => {
                rows.iter().map(|$access| $value).collect::<Vec<_>>()
            };
        }
        self.query(RECORD)
            .bind(column!(|access| Id(access.request_uid)))
            .bind(column!(|access| i64::from(access.attempt)))
            .bind(column!(|access| text(&access.model)))
            .bind(column!(|access| text(&access.server)))
            .bind(column!(|access| access.kind.to_string()))
            .bind(column!(|access| text(&access.protocol)))
            .bind(column!(|access| access.weights_version.map(count)))
            .bind(column!(|access| access.weights_sha256.as_deref().map(text)))
            .bind(column!(|access| text(&access.caller)))
            .bind(column!(|access| i64::from(access.caller_pid)))
            .bind(column!(|access| Time(access.start_access)))
            .bind(column!(|access| access.stop_access.map(Time)))
            .bind(column!(|access| access.status.name()))
            .bind(column!(|access| access.exit_code))
            .bind(column!(|access| access.signal.as_deref().map(text)))
            .bind(column!(|access| access.queue_ms))
            .bind(column!(|access| access.connect_ms))
            .bind(column!(|access| access.start_ms))
            .bind(column!(|access| access.run_ms))
            .bind(column!(|access| count(access.stdin_bytes)))
            .bind(column!(|access| count(access.stdout_bytes)))
            .bind(column!(|access| count(access.stderr_bytes)))
            .bind(column!(|access| access.stdin_sha256.as_deref().map(text)))
            .bind(column!(|access| access.stdout_sha256.as_deref().map(text)))
            .bind(column!(|access| text(&access.stderr_tail)))
            .bind(column!(|access| access.error.as_deref().map(text)))
            .bind(column!(|access| claims(&access.caller_claims)))
    }
}
