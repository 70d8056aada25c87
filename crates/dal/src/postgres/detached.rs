//! Runs that outlive their caller.

use std::time::Duration;

use mer_core::{Access, AttemptKey, DetachedRun};
use sqlx::{
    Postgres,
    postgres::{PgArguments, PgRow},
    query::Query,
};
use uuid::Uuid;

use super::{
    PostgresStore,
    call::call,
    rows::{get, params, params_text, small, text},
    wire_types::{Id, Time},
};
use crate::{DalError, NextAttempt, backend::DetachedBackend};

const TABLE: &str = "DetachedRuns";

const ADD: &str = r#"
INSERT INTO "DetachedRuns" ("requestUid", "attempt", "model", "server", "host", "bootId", "folder", "jobId", "claim",
    "collectBy", "params")
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp() + make_interval(secs => $10), $11::text::jsonb)
ON CONFLICT ("requestUid", "attempt") DO NOTHING"#;

const UPDATE: &str = r#"
UPDATE "DetachedRuns" SET "host" = $3, "bootId" = $4, "folder" = $5, "jobId" = $6, "claim" = $7, "params" = $8::text::jsonb
WHERE "requestUid" = $1 AND "attempt" = $2"#;

const LIST: &str = r#"
SELECT "requestUid", "attempt", "model", "server", "host", "bootId", "folder", "jobId", "claim", "startedAt", "collectBy",
    "params"::text AS "params", "collectBy" <= clock_timestamp() AS "isOverdue"
FROM "DetachedRuns" ORDER BY "requestUid", "attempt""#;

const TAKE: &str = r#"
UPDATE "DetachedRuns" SET "collector" = $3, "collectorUntil" = clock_timestamp() + make_interval(secs => $4)
WHERE "requestUid" = $1 AND "attempt" = $2
    AND ("collector" IS NULL OR "collector" = $3 OR "collectorUntil" <= clock_timestamp())"#;

const LEAVE: &str = r#"
UPDATE "DetachedRuns" SET "collector" = NULL, "collectorUntil" = NULL
WHERE "requestUid" = $1 AND "attempt" = $2 AND "collector" = $3"#;

const REMOVE: &str = r#"DELETE FROM "DetachedRuns" WHERE "requestUid" = $1 AND "attempt" = $2 AND "collector" = $3"#;

impl DetachedBackend for PostgresStore {
    async fn add_detached(&self, run: &DetachedRun, lasts: Duration, access: &Access) -> Result<(), DalError> {
        let params = params_text(&run.params)?;
        call!(self.server(), "put a detached run on record", true, |connection| {
            self.add_run(run, lasts, &params).execute(&mut *connection).await?;
            self.insert_accesses(&[access]).execute(&mut *connection).await.map(|_| ())
        });
        Ok(())
    }

    async fn update_detached(&self, run: &DetachedRun) -> Result<bool, DalError> {
        let params = params_text(&run.params)?;
        Ok(call!(self.server(), "update a detached run", |connection| {
            let query = self.of_run(UPDATE, run.key()).bind(text(&run.host)).bind(run.boot_id.as_deref().map(text));
            let query = query.bind(run.folder.as_deref().map(text)).bind(run.job_id.as_deref().map(text));
            let query = query.bind(run.claim.map(Id)).bind(&params);
            query.execute(&mut *connection).await.map(|done| done.rows_affected() > 0)
        }))
    }

    async fn detached_runs(&self) -> Result<Vec<DetachedRun>, DalError> {
        let rows: Vec<PgRow> = call!(self.server(), "list the detached runs", |connection| {
            self.query(LIST).fetch_all(&mut *connection).await
        });
        rows.iter().map(run).collect()
    }

    async fn take_detached(&self, key: AttemptKey, collector: Uuid, lasts: Duration) -> Result<bool, DalError> {
        Ok(call!(self.server(), "take a detached run to collect it", |connection| {
            let query = self.of_run(TAKE, key).bind(Id(collector)).bind(lasts.as_secs_f64());
            query.execute(&mut *connection).await.map(|done| done.rows_affected() > 0)
        }))
    }

    async fn leave_detached(&self, key: AttemptKey, collector: Uuid) -> Result<(), DalError> {
        call!(self.server(), "leave a detached run to others", |connection| {
            self.of_run(LEAVE, key).bind(Id(collector)).execute(&mut *connection).await.map(|_| ())
        });
        Ok(())
    }

    async fn close_detached(
        &self,
        collector: Uuid,
        access: &Access,
        next: Option<&NextAttempt>,
    ) -> Result<bool, DalError> {
        let next = next.map(|next| Ok::<_, DalError>((next, params_text(&next.run.params)?))).transpose()?;
        Ok(call!(self.server(), "put the end of a detached run on record", true, |connection| {
            let removed = self.remove_detached(access.key(), collector).execute(&mut *connection).await?;
            let is_mine = removed.rows_affected() > 0;
            if is_mine {
                self.insert_accesses(&[access]).execute(&mut *connection).await?;
                if let Some((next, params)) = &next {
                    self.add_run(&next.run, next.lasts, params).execute(&mut *connection).await?;
                    self.insert_accesses(&[&next.access]).execute(&mut *connection).await?;
                }
            }
            Ok(is_mine)
        }))
    }
}

impl PostgresStore {
    /// Makes the statement that removes a run, if this process collects it.
    pub(super) fn remove_detached<'q>(&self, key: AttemptKey, collector: Uuid) -> Query<'q, Postgres, PgArguments> {
        self.of_run(REMOVE, key).bind(Id(collector))
    }

    /// Makes the statement that puts a run on record.
    fn add_run<'q>(&self, run: &'q DetachedRun, lasts: Duration, params: &'q str) -> Query<'q, Postgres, PgArguments> {
        let query = self.of_run(ADD, run.key()).bind(text(&run.model)).bind(text(&run.server));
        let query = query.bind(text(&run.host)).bind(run.boot_id.as_deref().map(text));
        let query = query.bind(run.folder.as_deref().map(text)).bind(run.job_id.as_deref().map(text));
        query.bind(run.claim.map(Id)).bind(lasts.as_secs_f64()).bind(params)
    }

    fn of_run<'q>(&self, statement: &'static str, key: AttemptKey) -> Query<'q, Postgres, PgArguments> {
        self.query(statement).bind(Id(key.request_uid)).bind(i64::from(key.attempt))
    }
}

fn run(row: &PgRow) -> Result<DetachedRun, DalError> {
    let request_uid = get::<Id>(TABLE, row, "requestUid")?.0;
    Ok(DetachedRun {
        request_uid,
        attempt: small(TABLE, get(TABLE, row, "attempt")?)?,
        model: get(TABLE, row, "model")?,
        server: get(TABLE, row, "server")?,
        host: get(TABLE, row, "host")?,
        boot_id: get(TABLE, row, "bootId")?,
        folder: get(TABLE, row, "folder")?,
        job_id: get(TABLE, row, "jobId")?,
        claim: get::<Option<Id>>(TABLE, row, "claim")?.map(|claim| claim.0),
        started_at: get::<Time>(TABLE, row, "startedAt")?.0,
        collect_by: get::<Time>(TABLE, row, "collectBy")?.0,
        is_overdue: get(TABLE, row, "isOverdue")?,
        params: params(TABLE, row, &request_uid.to_string())?,
    })
}
