//! Deletes old accesses.

use jiff::Timestamp;
use surrealdb::types::{RecordId, SurrealValue};

use super::{
    SurrealStore,
    query::{take, variables},
};
use crate::{
    DalError,
    backend::{PruneStep, PrunedStep},
};

const OPERATION: &str = "prune the log";

/// Reads the index. Without a lower bound the engine would go over what former steps have deleted; with an upper one too, it
/// would read on to the end of the log.
const OLD: &str = "
SELECT id, startMicros, status FROM ModelAccess WHERE startMicros >= $from ORDER BY startMicros ASC LIMIT $limit START $seen;";

/// A row may have been deleted by another process since.
const DELETE: &str = "DELETE $ids WHERE status != 'started' RETURN BEFORE;";

const START: &str = "SELECT VALUE startMicros FROM ModelAccess ORDER BY startMicros DESC LIMIT 1 START $newer;";

/// A row of the index, with its state.
#[derive(Debug, SurrealValue)]
#[surreal(rename_all = "camelCase")]
struct OldRow {
    id: RecordId,
    start_micros: i64,
    status: String,
}

/// A deleted row.
#[derive(Debug, SurrealValue)]
#[surreal(rename_all = "camelCase")]
struct DeletedRow {
    start_micros: i64,
}

impl SurrealStore {
    pub(super) async fn prune_old(&self, step: &PruneStep) -> Result<PrunedStep, DalError> {
        let before = step.before.as_microsecond();
        let values = variables([
            ("from", step.from.unwrap_or(Timestamp::MIN).as_microsecond().into_value()),
            ("limit", i64::try_from(step.limit).unwrap_or(i64::MAX).into_value()),
            ("seen", i64::try_from(step.seen).unwrap_or(i64::MAX).into_value()),
        ]);
        let mut results = self.run(OPERATION, OLD, values).await?;
        let mut rows: Vec<OldRow> = take(&mut results, 0, "ModelAccess")?;
        let is_full = rows.len() >= step.limit;
        rows.retain(|row| row.start_micros < before);
        let is_last = !is_full || rows.len() < step.limit;
        let last = rows.last().map(|row| row.start_micros).filter(|_| !is_last);
        let stays = |row: &OldRow| row.status == "started" || step.dry_run;
        let ties = rows.iter().filter(|row| Some(row.start_micros) == last && stays(row)).count();
        let old: Vec<OldRow> = rows.into_iter().filter(|row| row.status != "started").collect();
        let deleted = match step.dry_run {
            true => old.iter().map(|row| row.start_micros).collect(),
            false => self.delete(old).await?,
        };
        let moment = |micros: i64| Timestamp::from_microsecond(micros).ok();
        let next = last.and_then(moment).map(|last| {
            let before =
                if step.from.map(Timestamp::as_microsecond) == Some(last.as_microsecond()) { step.seen } else { 0 };
            (last, before + ties)
        });
        Ok(PrunedStep { deleted: deleted.into_iter().filter_map(moment).collect(), next })
    }

    /// Deletes rows, and returns the starts of those that were still there.
    async fn delete(&self, old: Vec<OldRow>) -> Result<Vec<i64>, DalError> {
        if old.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<RecordId> = old.into_iter().map(|row| row.id).collect();
        let mut results = self.write(OPERATION, DELETE, variables([("ids", ids.into_value())])).await?;
        let deleted: Vec<DeletedRow> = take(&mut results, 0, "ModelAccess")?;
        if deleted.is_empty() && self.writes_may_be_ignored() {
            return Err(self.ignored(OPERATION));
        }
        Ok(deleted.into_iter().map(|row| row.start_micros).collect())
    }

    pub(super) async fn read_start_of(&self, newer: u64) -> Result<Option<Timestamp>, DalError> {
        let newer = i64::try_from(newer).unwrap_or(i64::MAX);
        let mut results = self.run(OPERATION, START, variables([("newer", newer.into_value())])).await?;
        let starts: Vec<i64> = take(&mut results, 0, "ModelAccess")?;
        Ok(starts.first().and_then(|micros| Timestamp::from_microsecond(*micros).ok()))
    }
}
