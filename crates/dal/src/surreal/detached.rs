//! Runs that outlive their caller.

use std::time::Duration;

use mer_core::{Access, AttemptKey, DetachedRun};
use surrealdb::types::{Array, Datetime, RecordId, RecordIdKey, SurrealValue, Value};
use uuid::Uuid;

use super::{
    SurrealStore,
    access::replacement,
    query::{take, variables},
    rows::{params_value, read, small, timestamp},
};
use crate::{DalError, NextAttempt, access_batch::replaced_by, backend::DetachedBackend};

const TABLE: &str = "DetachedRuns";

/// Error that a statement throws if another process collects the run, or has collected it.
pub(super) const COLLECTED: &str = "mer:collected";

const ADD_OPERATION: &str = "put a detached run on record";

const ADD: &str = "
BEGIN;
IF (SELECT VALUE id FROM $id) = [] {
    CREATE $id CONTENT {
        requestUid: $request, attempt: $attempt, model: $model, server: $server, host: $host, bootId: $boot,
        folder: $folder, jobId: $job, claim: $claim, collectBy: time::now() + $lasts, params: $params
    } RETURN NONE;
};
IF (SELECT VALUE id FROM $made.id) = [] { UPSERT $made.id CONTENT $made.content RETURN NONE };
COMMIT;";

const IS_THERE: &str = "SELECT VALUE requestUid FROM $id;";

const UPDATE: &str =
    "UPDATE $id SET host = $host, bootId = $boot, folder = $folder, jobId = $job, claim = $claim, params = $params
    RETURN requestUid;";

const LIST: &str = "SELECT *, collectBy <= time::now() AS isOverdue FROM DetachedRuns;";

const TAKE: &str = "UPDATE $id SET collector = $collector, collectorUntil = time::now() + $lasts
    WHERE collector = NONE OR collector = $collector OR collectorUntil = NONE OR collectorUntil <= time::now()
    RETURN requestUid;";

const LEAVE: &str = "UPDATE $id SET collector = NONE, collectorUntil = NONE WHERE collector = $collector RETURN NONE;";

const CLOSE: &str = "
BEGIN;
LET $mine = DELETE $id WHERE collector = $collector RETURN BEFORE;
IF $mine = [] { THROW 'mer:collected' };
LET $known = SELECT VALUE status FROM $made.id;
IF $known = [] OR $known[0] IN $made.beats { UPSERT $made.id CONTENT $made.content RETURN NONE };
IF $next != NONE {
    CREATE $next CONTENT {
        requestUid: $request, attempt: $attempt, model: $model, server: $server, host: $host, bootId: $boot,
        folder: $folder, jobId: $job, claim: $claim, collectBy: time::now() + $lasts, params: $params
    } RETURN NONE;
    UPSERT $begun.id CONTENT $begun.content RETURN NONE;
};
COMMIT;";

#[derive(Debug, SurrealValue)]
#[surreal(rename_all = "camelCase")]
struct KeyRow {
    request_uid: Uuid,
}

#[derive(Debug, SurrealValue)]
#[surreal(rename_all = "camelCase")]
struct RunRow {
    request_uid: Uuid,
    attempt: i64,
    model: String,
    server: String,
    host: String,
    boot_id: Option<String>,
    folder: Option<String>,
    job_id: Option<String>,
    claim: Option<Uuid>,
    started_at: Datetime,
    collect_by: Datetime,
    is_overdue: bool,
    params: Option<serde_json::Value>,
}

impl DetachedBackend for SurrealStore {
    async fn add_detached(&self, run: &DetachedRun, lasts: Duration, access: &Access) -> Result<(), DalError> {
        let mut values = variables([("id", detached_id(run.key()).into_value()), ("made", replacement(access, &[])?)]);
        for (name, value) in facts(run, lasts)? {
            values.insert(name, value);
        }
        self.write(ADD_OPERATION, ADD, values).await?;
        let id = variables([("id", detached_id(run.key()).into_value())]);
        let mut results = self.run(ADD_OPERATION, IS_THERE, id).await?;
        if take::<Uuid>(&mut results, 0, TABLE)?.is_empty() && self.writes_may_be_ignored() {
            return Err(self.ignored(ADD_OPERATION));
        }
        Ok(())
    }

    async fn update_detached(&self, run: &DetachedRun) -> Result<bool, DalError> {
        let mut values = variables([("id", detached_id(run.key()).into_value())]);
        for (name, value) in later_facts(run)? {
            values.insert(name, value);
        }
        let mut results = self.write("update a detached run", UPDATE, values).await?;
        Ok(!take::<KeyRow>(&mut results, 0, TABLE)?.is_empty())
    }

    async fn detached_runs(&self) -> Result<Vec<DetachedRun>, DalError> {
        let mut results = self.run("list the detached runs", LIST, variables([])).await?;
        let rows: Vec<RunRow> = take(&mut results, 0, TABLE)?;
        let mut runs = rows.into_iter().map(RunRow::run).collect::<Result<Vec<_>, _>>()?;
        runs.sort_unstable_by_key(DetachedRun::key);
        Ok(runs)
    }

    async fn take_detached(&self, key: AttemptKey, collector: Uuid, lasts: Duration) -> Result<bool, DalError> {
        let values = variables([
            ("id", detached_id(key).into_value()),
            ("collector", collector.into_value()),
            ("lasts", lasts.into_value()),
        ]);
        let mut results = self.write("take a detached run to collect it", TAKE, values).await?;
        Ok(!take::<KeyRow>(&mut results, 0, TABLE)?.is_empty())
    }

    async fn leave_detached(&self, key: AttemptKey, collector: Uuid) -> Result<(), DalError> {
        let values = variables([("id", detached_id(key).into_value()), ("collector", collector.into_value())]);
        self.write("leave a detached run to others", LEAVE, values).await.map(drop)
    }

    async fn close_detached(
        &self,
        collector: Uuid,
        access: &Access,
        next: Option<&NextAttempt>,
    ) -> Result<bool, DalError> {
        const OPERATION: &str = "put the end of a detached run on record";
        let mut values = variables([
            ("next", next.map(|next| detached_id(next.run.key())).into_value()),
            ("id", detached_id(access.key()).into_value()),
            ("collector", collector.into_value()),
            ("made", replacement(access, replaced_by(access.status))?),
        ]);
        if let Some(NextAttempt { run, lasts, access }) = next {
            values.insert("begun", replacement(access, &[])?);
            for (name, value) in facts(run, *lasts)? {
                values.insert(name, value);
            }
        }
        match self.write_or_throw(OPERATION, CLOSE, values).await? {
            Ok(()) => Ok(true),
            Err(failure) if failure.error.message().contains(COLLECTED) => Ok(false),
            Err(failure) => Err(self.failed(OPERATION, *failure.error)),
        }
    }
}

/// Returns the record id of a run: its key.
pub(super) fn detached_id(key: AttemptKey) -> RecordId {
    let key = vec![key.request_uid.into_value(), i64::from(key.attempt).into_value()];
    RecordId::new(TABLE, RecordIdKey::Array(Array::from(key)))
}

/// Returns all that is on record of a run.
fn facts(run: &DetachedRun, lasts: Duration) -> Result<impl Iterator<Item = (&'static str, Value)>, DalError> {
    let first = [
        ("request", run.request_uid.into_value()),
        ("attempt", i64::from(run.attempt).into_value()),
        ("model", run.model.clone().into_value()),
        ("server", run.server.clone().into_value()),
        ("lasts", lasts.into_value()),
    ];
    Ok(first.into_iter().chain(later_facts(run)?))
}

/// Returns what becomes known of a run only after it was put on record.
fn later_facts(run: &DetachedRun) -> Result<[(&'static str, Value); 6], DalError> {
    Ok([
        ("host", run.host.clone().into_value()),
        ("boot", run.boot_id.clone().into_value()),
        ("folder", run.folder.clone().into_value()),
        ("job", run.job_id.clone().into_value()),
        ("claim", run.claim.into_value()),
        ("params", params_value(&run.params)?),
    ])
}

impl RunRow {
    fn run(self) -> Result<DetachedRun, DalError> {
        let about = self.request_uid.to_string();
        let params = self.params.unwrap_or_else(|| serde_json::Value::Object(serde_json::Map::new()));
        Ok(DetachedRun {
            request_uid: self.request_uid,
            attempt: small(TABLE, self.attempt)?,
            model: self.model,
            server: self.server,
            host: self.host,
            boot_id: self.boot_id,
            folder: self.folder,
            job_id: self.job_id,
            claim: self.claim,
            started_at: timestamp(TABLE, self.started_at)?,
            collect_by: timestamp(TABLE, self.collect_by)?,
            is_overdue: self.is_overdue,
            params: read(TABLE, &about, params)?,
        })
    }
}
