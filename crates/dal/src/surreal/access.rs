//! The access log.

use std::collections::HashMap;

use mer_core::{Access, AttemptKey, Status};
use surrealdb::types::{Object, SurrealValue, Value};
use uuid::Uuid;

use super::{
    SurrealStore,
    rows::{AccessRow, access_id},
    store::{take, variables},
};
use crate::{AccessFilter, DalError};

/// How many rows go into one transaction.
const BATCH_ROWS: usize = 1000;

/// How many bytes of text may go into one transaction, or a little more.
const BATCH_BYTES: usize = 4 << 20;

const KNOWN: &str = "SELECT requestUid, attempt, status FROM $ids;";

/// What is new is inserted: it fails as a conflict where another writer was first, and is looked at again. What is known
/// is replaced only while it still has one of the states that the new row beats.
const RECORD: &str = "
BEGIN;
IF $new != [] { INSERT INTO ModelAccess $new RETURN NONE };
FOR $row IN $better { UPDATE $row.id CONTENT $row.content WHERE status IN $row.beats RETURN NONE };
COMMIT;";

#[derive(Debug, SurrealValue)]
#[surreal(rename_all = "camelCase")]
struct Known {
    request_uid: Uuid,
    attempt: i64,
    status: String,
}

impl SurrealStore {
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
        const OPERATION: &str = "record accesses";
        // Of several records of one attempt only the best is written.
        let mut best: HashMap<AttemptKey, &Access> = HashMap::with_capacity(batch.len());
        for access in batch {
            let entry = best.entry(access.key()).or_insert(access);
            if access.status.rank() > entry.status.rank() {
                *entry = access;
            }
        }
        let (mut lost, mut written) = (0, false);
        loop {
            let ids: Vec<Value> = best.keys().map(|key| access_id(key.request_uid, key.attempt).into_value()).collect();
            let mut results = self.run(OPERATION, KNOWN, variables([("ids", ids.into_value())])).await?;
            let known: HashMap<(Uuid, i64), String> = take::<Known>(&mut results, 0, "ModelAccess")?
                .into_iter()
                .map(|row| ((row.request_uid, row.attempt), row.status))
                .collect();
            let (mut new, mut better) = (Vec::new(), Vec::new());
            for access in
                batch.iter().filter(|access| best.get(&access.key()).is_some_and(|b| std::ptr::eq(*b, *access)))
            {
                let beats = beaten_by(access.status);
                match known.get(&(access.request_uid, access.attempt.into())) {
                    None => new.push(AccessRow::value(access)?),
                    Some(status) if beats.contains(&status.as_str()) => better.push(replacement(access, beats)?),
                    Some(_) => {}
                }
            }
            if new.is_empty() && better.is_empty() {
                return Ok(());
            }
            let rows = variables([("new", new.into_value()), ("better", better.into_value())]);
            match self.write_once(OPERATION, RECORD, rows).await? {
                Ok(()) if !self.writes_may_be_ignored() => return Ok(()),
                // Looked at again: there must be nothing left to write.
                Ok(()) if std::mem::replace(&mut written, true) => return Err(self.ignored(OPERATION)),
                Ok(()) => {}
                Err(conflict) => {
                    lost += 1;
                    self.pause_or_give_up(OPERATION, lost, conflict).await?;
                }
            }
        }
    }

    pub(super) async fn read_accesses(&self, filter: &AccessFilter) -> Result<Vec<Access>, DalError> {
        let mut text = String::from("SELECT * FROM ModelAccess");
        let mut values = variables([("limit", i64::try_from(filter.limit).unwrap_or(i64::MAX).into_value())]);
        let mut and = " WHERE";
        if let Some(model) = &filter.model {
            text += &format!("{and} model = $model");
            values.insert("model", model.clone());
            and = " AND";
            if let Some(version) = filter.version {
                text += " AND weightsVersion = $version";
                values.insert("version", i64::try_from(version).unwrap_or(i64::MAX));
            }
        }
        if let Some(since) = filter.since {
            text += &format!("{and} startMicros >= $since");
            values.insert("since", since.as_microsecond());
        }
        // The index is over this column, see the script that makes it.
        text += " ORDER BY startMicros DESC LIMIT $limit;";
        let mut results = self.run("list the accesses", text, values).await?;
        take::<AccessRow>(&mut results, 0, "ModelAccess")?.into_iter().map(AccessRow::access).collect()
    }

    pub(super) async fn read_request(&self, request: Uuid) -> Result<Vec<Access>, DalError> {
        const REQUEST: &str = "SELECT * FROM ModelAccess:[$request, 1]..=[$request, 4294967295];";
        let mut results = self.run("find the request", REQUEST, variables([("request", request.into_value())])).await?;
        take::<AccessRow>(&mut results, 0, "ModelAccess")?.into_iter().map(AccessRow::access).collect()
    }

    pub(super) async fn read_accesses_after(&self, key: AttemptKey, limit: usize) -> Result<Vec<Access>, DalError> {
        // By way of the function: of a range that stands there as such this engine (3.3.5) reads all, whatever the limit.
        const PAGE: &str = "SELECT * FROM type::record('ModelAccess', [$request, $attempt]>..) LIMIT $limit;";
        let values = variables([
            ("request", key.request_uid.into_value()),
            ("attempt", i64::from(key.attempt).into_value()),
            ("limit", i64::try_from(limit).unwrap_or(i64::MAX).into_value()),
        ]);
        let mut results = self.run("read the accesses", PAGE, values).await?;
        take::<AccessRow>(&mut results, 0, "ModelAccess")?.into_iter().map(AccessRow::access).collect()
    }
}

/// The states that a record of this state replaces.
const fn beaten_by(status: Status) -> &'static [&'static str] {
    match status.rank() {
        0 => &[],
        1 => &["started"],
        _ => &["started", "lost"],
    }
}

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
