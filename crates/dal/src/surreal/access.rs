//! The log of accesses.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use mer_core::{Access, AttemptKey};
use surrealdb::types::{Object, SurrealValue, Value};
use uuid::Uuid;

use super::{
    SurrealStore,
    query::{take, variables},
    rows::{AccessRow, access_id},
};
use crate::{
    AccessFilter, DalError,
    access_batch::{BATCH_ROWS, batches, best_records, replaced_by},
    access_filter::Cursor,
    backend::{AccessBackend, PruneStep, PrunedStep},
    retry::{Attempt, until_written},
};

const RECORD_OPERATION: &str = "record accesses";

const STATUSES: &str = "SELECT requestUid, attempt, status FROM $ids;";

/// New rows are inserted; that fails as a conflict if another writer was first, and everything is read again. Existing
/// rows are replaced only while they still have one of the statuses that the new record replaces.
const RECORD: &str = "
BEGIN;
IF $new != [] { INSERT INTO ModelAccess $new RETURN NONE };
FOR $row IN $better { UPDATE $row.id CONTENT $row.content WHERE status IN $row.beats RETURN NONE };
COMMIT;";

/// Maximum number of accesses that are written to the embedded engine at once. It needs some 20 kB for each while it writes it.
const EMBEDDED_ROWS: usize = 250;

#[derive(Debug, SurrealValue)]
#[surreal(rename_all = "camelCase")]
struct StatusRow {
    request_uid: Uuid,
    attempt: i64,
    status: String,
}

impl AccessBackend for SurrealStore {
    async fn record(&self, accesses: &[Access]) -> Result<(), DalError> {
        let rows = if self.is_embedded() { EMBEDDED_ROWS } else { BATCH_ROWS };
        for batch in batches(accesses) {
            for part in batch.chunks(rows) {
                self.record_batch(part).await?;
            }
        }
        Ok(())
    }

    /// Reads the indexes over `startMicros` backwards, and heeds no other conditions than those that an index has. Their entries end with the record's id, so the result has the
    /// wanted order. With more columns to sort by, this engine (3.3.5) would read and sort the whole table.
    async fn accesses(
        &self,
        filter: &AccessFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<Access>, DalError> {
        let mut conditions = Vec::new();
        let mut values = variables([("limit", i64::try_from(limit).unwrap_or(i64::MAX).into_value())]);
        if let Some(model) = &filter.model {
            conditions.push("model = $model");
            values.insert("model", model.clone());
            if let Some(version) = filter.version {
                conditions.push("weightsVersion = $version");
                values.insert("version", i64::try_from(version).unwrap_or(i64::MAX));
            }
        }
        // Only one bound on the time: with two, the engine would read to the end of the log, looking for more.
        let since = filter.since.map(Timestamp::as_microsecond);
        let mut seen = 0;
        if let Some(last) = after {
            conditions.push("startMicros <= $last");
            values.insert("last", last.start.as_microsecond());
            seen = last.ties;
        } else if let Some(until) = filter.until {
            conditions.push("startMicros < $until");
            values.insert("until", until.as_microsecond());
        } else if let Some(since) = since {
            conditions.push("startMicros >= $since");
            values.insert("since", since);
        }
        let mut text = String::from("SELECT * FROM ModelAccess");
        let mut order = "startMicros DESC";
        if let Some(batch) = filter.batch {
            conditions.push("batchUid = $batch");
            values.insert("batch", batch);
            // Its rows are few beside the log, and are sorted.
            text += " WITH INDEX ofBatch";
            order = "startMicros DESC, requestUid DESC, attempt DESC";
        }
        for (number, condition) in conditions.into_iter().enumerate() {
            text += if number == 0 { " WHERE " } else { " AND " };
            text += condition;
        }
        text += &format!(" ORDER BY {order} LIMIT $limit START {seen};");
        let mut results = self.run("list the accesses", text, values).await?;
        take::<AccessRow>(&mut results, 0, "ModelAccess")?
            .into_iter()
            .map(AccessRow::access)
            .take_while(|access| match (access, since) {
                (Ok(access), Some(since)) => access.start_access.as_microsecond() >= since,
                _ => true,
            })
            .collect()
    }

    async fn accesses_between(&self, first: Uuid, last: Uuid, limit: usize) -> Result<Vec<Access>, DalError> {
        // Uses the function for the same reason as `accesses_after`.
        const BETWEEN: &str =
            "SELECT * FROM type::record('ModelAccess', [$first, 0]..=[$last, 4294967295]) LIMIT $limit;";
        let values = variables([
            ("first", first.into_value()),
            ("last", last.into_value()),
            ("limit", i64::try_from(limit).unwrap_or(i64::MAX).into_value()),
        ]);
        let mut results = self.run("find the request", BETWEEN, values).await?;
        take::<AccessRow>(&mut results, 0, "ModelAccess")?.into_iter().map(AccessRow::access).collect()
    }

    async fn access(&self, request: Uuid) -> Result<Vec<Access>, DalError> {
        const REQUEST: &str = "SELECT * FROM ModelAccess:[$request, 1]..=[$request, 4294967295];";
        let mut results = self.run("find the request", REQUEST, variables([("request", request.into_value())])).await?;
        take::<AccessRow>(&mut results, 0, "ModelAccess")?.into_iter().map(AccessRow::access).collect()
    }

    async fn accesses_after(&self, key: AttemptKey, limit: usize) -> Result<Vec<Access>, DalError> {
        // Uses the function, because this engine (3.3.5) reads all of a literal range, whatever the limit.
        const PAGE: &str = "SELECT * FROM type::record('ModelAccess', [$request, $attempt]>..) LIMIT $limit;";
        let values = variables([
            ("request", key.request_uid.into_value()),
            ("attempt", i64::from(key.attempt).into_value()),
            ("limit", i64::try_from(limit).unwrap_or(i64::MAX).into_value()),
        ]);
        let mut results = self.run("read the accesses", PAGE, values).await?;
        take::<AccessRow>(&mut results, 0, "ModelAccess")?.into_iter().map(AccessRow::access).collect()
    }

    async fn prune_step(&self, step: &PruneStep) -> Result<PrunedStep, DalError> {
        self.prune_old(step).await
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

impl SurrealStore {
    async fn record_batch(&self, batch: &[Access]) -> Result<(), DalError> {
        let best = best_records(batch);
        let mut written = false;
        // If writes may be ignored, the rows are read again; nothing may be left to write then.
        while until_written(RECORD_OPERATION, || self.try_record(&best)).await? && self.writes_may_be_ignored() {
            if std::mem::replace(&mut written, true) {
                return Err(self.ignored(RECORD_OPERATION));
            }
        }
        Ok(())
    }

    /// Records accesses once; returns whether there was anything to write.
    async fn try_record(&self, accesses: &BTreeMap<AttemptKey, &Access>) -> Attempt<bool> {
        let ids: Vec<Value> = accesses.keys().map(|key| access_id(key.request_uid, key.attempt).into_value()).collect();
        let mut results = self.run(RECORD_OPERATION, STATUSES, variables([("ids", ids.into_value())])).await?;
        let known: HashMap<(Uuid, i64), String> = take::<StatusRow>(&mut results, 0, "ModelAccess")?
            .into_iter()
            .map(|row| ((row.request_uid, row.attempt), row.status))
            .collect();
        let (mut new, mut better) = (Vec::new(), Vec::new());
        for access in accesses.values() {
            let replaced = replaced_by(access.status);
            match known.get(&(access.request_uid, access.attempt.into())) {
                None => new.push(AccessRow::value(access)?),
                Some(status) if replaced.contains(&status.as_str()) => better.push(replacement(access, replaced)?),
                Some(_) => {}
            }
        }
        if new.is_empty() && better.is_empty() {
            return Ok(Ok(false));
        }
        let rows = variables([("new", new.into_value()), ("better", better.into_value())]);
        Ok(self.try_write(RECORD_OPERATION, RECORD, rows).await?.map(|_| true))
    }
}

/// Returns the row that replaces the record of an attempt while that has one of these statuses.
pub(super) fn replacement(access: &Access, beats: &[&str]) -> Result<Value, DalError> {
    let mut content = AccessRow::value(access)?;
    if let Value::Object(content) = &mut content {
        content.remove("id");
    }
    let mut row = Object::new();
    row.insert("id", access_id(access.request_uid, access.attempt));
    row.insert("content", content);
    row.insert("beats", beats.iter().map(|&state| state.to_owned()).collect::<Vec<String>>());
    Ok(Value::Object(row))
}
