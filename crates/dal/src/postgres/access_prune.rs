//! Deletes old accesses.

use jiff::Timestamp;
use sqlx::{Row as _, postgres::PgRow};

use super::{PostgresStore, call::call, rows::count, wire_types::Time};
use crate::{
    DalError,
    backend::{PruneStep, PrunedStep},
};

const OPERATION: &str = "prune the log";

/// Another process that prunes holds the rows of its step: they are its to delete.
const DELETE: &str = r#"
WITH old AS (
    SELECT "requestUid", "attempt" FROM "ModelAccess"
    WHERE "startAccess" >= $1 AND "startAccess" < $2 AND "status" <> 'started'
    ORDER BY "startAccess" LIMIT $3 FOR UPDATE SKIP LOCKED
)
DELETE FROM "ModelAccess" AS known USING old
WHERE known."requestUid" = old."requestUid" AND known."attempt" = old."attempt" RETURNING known."startAccess""#;

/// The same rows, those of the step before left out.
const READ: &str = r#"
SELECT "startAccess" FROM "ModelAccess" WHERE "startAccess" >= $1 AND "startAccess" < $2 AND "status" <> 'started'
ORDER BY "startAccess" OFFSET $4 LIMIT $3"#;

const START: &str = r#"SELECT "startAccess" FROM "ModelAccess" ORDER BY "startAccess" DESC OFFSET $1 LIMIT 1"#;

/// Roughly the earliest time that the server can store, in seconds since 1970: the year 4368 BC.
const EARLIEST: i64 = -200_000_000_000;

impl PostgresStore {
    pub(super) async fn delete_old(&self, step: &PruneStep) -> Result<PrunedStep, DalError> {
        let (from, before, limit) = bounds(step);
        let rows: Vec<PgRow> = call!(self.server(), OPERATION, |connection| {
            self.query(DELETE).bind(from).bind(before).bind(limit).fetch_all(&mut *connection).await
        });
        let deleted = starts(&rows)?;
        let last = deleted.iter().max().filter(|_| deleted.len() >= step.limit);
        Ok(PrunedStep { next: last.map(|last| (*last, 0)), deleted })
    }

    pub(super) async fn read_old(&self, step: &PruneStep) -> Result<PrunedStep, DalError> {
        let (from, before, limit) = bounds(step);
        let seen = count(step.seen as u64);
        let rows: Vec<PgRow> = call!(self.server(), OPERATION, |connection| {
            let query = self.query(READ).bind(from).bind(before).bind(limit).bind(seen);
            query.fetch_all(&mut *connection).await
        });
        let read = starts(&rows)?;
        let next = read.last().filter(|_| read.len() >= step.limit).map(|last| {
            let ties = read.iter().filter(|start| *start == last).count();
            // The whole step may have begun at the same time.
            let before = if step.from == Some(*last) { step.seen } else { 0 };
            (*last, before + ties)
        });
        Ok(PrunedStep { deleted: read, next })
    }

    pub(super) async fn read_start_of(&self, newer: u64) -> Result<Option<Timestamp>, DalError> {
        let rows: Vec<PgRow> = call!(self.server(), OPERATION, |connection| {
            self.query(START).bind(count(newer)).fetch_all(&mut *connection).await
        });
        Ok(starts(&rows)?.first().copied())
    }
}

/// Returns the first three parameters of a step.
fn bounds(step: &PruneStep) -> (Time, Time, i64) {
    let earliest = Timestamp::from_second(EARLIEST).unwrap_or(Timestamp::UNIX_EPOCH);
    let limit = i64::try_from(step.limit).unwrap_or(i64::MAX);
    (Time(step.from.unwrap_or(earliest)), Time(step.before.max(earliest)), limit)
}

fn starts(rows: &[PgRow]) -> Result<Vec<Timestamp>, DalError> {
    let start = |row: &PgRow| row.try_get::<Time, _>(0).map(|time| time.0);
    rows.iter()
        .map(|row| start(row).map_err(|error| DalError::Row { table: "ModelAccess", reason: error.to_string() }))
        .collect()
}
