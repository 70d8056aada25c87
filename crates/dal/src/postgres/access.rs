//! The log of accesses.

use jiff::Timestamp;
use mer_core::{Access, AttemptKey};
use sqlx::{
    Postgres,
    postgres::{PgArguments, PgRow},
    query::Query,
};
use uuid::Uuid;

use super::{
    PostgresStore,
    access_query::{self, select_accesses},
    call::call,
    rows::{access, count, text, texts},
    wire_types::{Id, Time},
};
use crate::{
    AccessFilter, DalError,
    access_batch::{batches, best_records},
    access_filter::Cursor,
    backend::{AccessBackend, PruneStep, PrunedStep},
};

/// Inserts accesses. If an attempt is recorded already, the record with the higher `Status::rank` stays, and of equals the
/// first.
const RECORD: &str = r#"
INSERT INTO "ModelAccess" AS known (
    "requestUid", "attempt", "model", "server", "kind", "protocol", "weightsVersion", "weightsSha256", "caller",
    "callerPid", "startAccess", "stopAccess", "status", "exitCode", "signal", "queueMs", "connectMs", "startMs", "runMs",
    "stdinBytes", "stdoutBytes", "stderrBytes", "stdinSha256", "stdoutSha256", "stderrTail", "error",
    "callerClaims", "batchUid", "items", "failedItems", "jobId", "via", "tags")
SELECT * FROM unnest(
    $1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::text[],
    $10::bigint[], $11::timestamptz[], $12::timestamptz[], $13::text[], $14::integer[], $15::text[],
    $16::double precision[], $17::double precision[], $18::double precision[], $19::double precision[],
    $20::bigint[], $21::bigint[], $22::bigint[], $23::text[], $24::text[], $25::text[], $26::text[],
    $27::text[]::jsonb[], $28::uuid[], $29::bigint[], $30::bigint[], $31::text[], $32::text[], $33::text[]::jsonb[])
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
    "callerClaims" = EXCLUDED."callerClaims", "batchUid" = EXCLUDED."batchUid", "items" = EXCLUDED."items",
    "failedItems" = EXCLUDED."failedItems", "jobId" = EXCLUDED."jobId", "via" = EXCLUDED."via", "tags" = EXCLUDED."tags"
WHERE CASE EXCLUDED."status" WHEN 'started' THEN 0 WHEN 'lost' THEN 1 ELSE 2 END
    > CASE known."status" WHEN 'started' THEN 0 WHEN 'lost' THEN 1 ELSE 2 END"#;

const REQUEST: &str = concat!(select_accesses!(), r#" WHERE "requestUid" = $1 ORDER BY "attempt""#);

const BETWEEN: &str =
    concat!(select_accesses!(), r#" WHERE "requestUid" BETWEEN $1 AND $2 ORDER BY "requestUid", "attempt" LIMIT $3"#);

const PAGE: &str = concat!(
    select_accesses!(),
    r#" WHERE ("requestUid", "attempt") > ($1, $2) ORDER BY "requestUid", "attempt" LIMIT $3"#
);

/// Reads a row as soon as it is there, while the server makes the next one.
#[expect(clippy::needless_pass_by_value, reason = "sqlx hands rows over")]
fn read(row: PgRow) -> Result<Access, DalError> {
    access(&row)
}

impl AccessBackend for PostgresStore {
    async fn record(&self, accesses: &[Access]) -> Result<(), DalError> {
        for batch in batches(accesses) {
            // One statement cannot write a row twice.
            let rows: Vec<&Access> = best_records(batch).into_values().collect();
            call!(self.server(), "record accesses", |connection| self
                .insert_accesses(&rows)
                .execute(&mut *connection)
                .await
                .map(|_| ()));
        }
        Ok(())
    }

    async fn accesses(
        &self,
        filter: &AccessFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<Access>, DalError> {
        let rows: Vec<Result<Access, DalError>> = call!(self.server(), "list the accesses", |connection| {
            let mut query = access_query::newest(filter, after, limit);
            self.built(&mut query).map(read).fetch_all(&mut *connection).await
        });
        rows.into_iter().collect()
    }

    async fn accesses_between(&self, first: Uuid, last: Uuid, limit: usize) -> Result<Vec<Access>, DalError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows: Vec<Result<Access, DalError>> = call!(self.server(), "find the request", |connection| {
            self.query(BETWEEN).bind(Id(first)).bind(Id(last)).bind(limit).map(read).fetch_all(&mut *connection).await
        });
        rows.into_iter().collect()
    }

    async fn access(&self, request: Uuid) -> Result<Vec<Access>, DalError> {
        let rows: Vec<Result<Access, DalError>> = call!(self.server(), "find the request", |connection| {
            self.query(REQUEST).bind(Id(request)).map(read).fetch_all(&mut *connection).await
        });
        rows.into_iter().collect()
    }

    async fn accesses_after(&self, key: AttemptKey, limit: usize) -> Result<Vec<Access>, DalError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows: Vec<Result<Access, DalError>> = call!(self.server(), "read the accesses", |connection| {
            let query = self.query(PAGE).bind(Id(key.request_uid)).bind(i64::from(key.attempt)).bind(limit);
            query.map(read).fetch_all(&mut *connection).await
        });
        rows.into_iter().collect()
    }

    async fn prune_step(&self, step: &PruneStep) -> Result<PrunedStep, DalError> {
        if step.dry_run { self.read_old(step).await } else { self.delete_old(step).await }
    }

    async fn start_of(&self, newer: u64) -> Result<Option<Timestamp>, DalError> {
        self.read_start_of(newer).await
    }

    async fn keep_alive(&self, host: &str, attempts: &[AttemptKey]) -> Result<(), DalError> {
        self.renew_heartbeats(host, attempts).await
    }

    async fn has_silent(&self) -> Result<bool, DalError> {
        self.find_silent().await
    }

    async fn close_silent(&self) -> Result<(), DalError> {
        self.mark_silent_lost().await
    }
}

impl PostgresStore {
    /// Makes the statement that inserts accesses; each column is one array.
    pub(super) fn insert_accesses<'q>(&self, rows: &[&'q Access]) -> Query<'q, Postgres, PgArguments> {
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
            .bind(column!(|access| texts(&access.caller_claims)))
            .bind(column!(|access| access.batch_uid.map(Id)))
            .bind(column!(|access| access.items.map(count)))
            .bind(column!(|access| access.failed_items.map(count)))
            .bind(column!(|access| access.job_id.as_deref().map(text)))
            .bind(column!(|access| access.via.as_deref().map(text)))
            .bind(column!(|access| texts(&access.tags)))
    }
}
