//! Garbage collection.

use std::time::Duration;

use sqlx::{Row as _, postgres::PgRow};
use uuid::Uuid;

use crate::{
    DalError,
    postgres::{PostgresStore, call::call, rows::get, wire_types::Id},
    weights::SweptChunks,
};

/// Number of parts or chunks that one step deletes.
const STEP: i64 = 64;

const OPERATION: &str = "collect the garbage of weights";

const EXPIRE: &str = r#"
DELETE FROM "ModelWeightUploads" WHERE "touchedAt" <= clock_timestamp() - make_interval(secs => $1)"#;

/// Parts are read first: an upload exists before its parts, and a version replaces it.
const PAYLOADS: &str = r#"SELECT "payload" FROM "ModelWeightParts" WHERE "part" = 0"#;

const DEAD: &str = r#"
SELECT given."payload" FROM unnest($1::uuid[]) AS given("payload")
WHERE NOT EXISTS (SELECT FROM "ModelWeightUploads" u WHERE u."uid" = given."payload")
  AND NOT EXISTS (SELECT FROM "ModelWeights" v WHERE v."payload" = given."payload")"#;

/// Deletes part 0 last, because payloads are found by it.
const PARTS: &str = r#"
DELETE FROM "ModelWeightParts" WHERE "payload" = $1 AND "part" IN (
    SELECT "part" FROM "ModelWeightParts" WHERE "payload" = $1 ORDER BY "part" DESC LIMIT $2)"#;

/// Uploads that write chunks wait for this lock, and are waited for: the next statements see all their rows.
const LOCK_CHUNKS: &str = r#"LOCK TABLE "ModelWeightChunks" IN EXCLUSIVE MODE"#;

const NEXT: &str = r#"SELECT "sha256" FROM "ModelWeightChunks" WHERE "sha256" > $1 ORDER BY "sha256" LIMIT $2"#;

const SWEEP: &str = r#"
DELETE FROM "ModelWeightChunks" c WHERE c."sha256" = ANY($1)
    AND NOT EXISTS (SELECT FROM "ModelWeightParts" p WHERE p."sha256" = c."sha256") RETURNING c."bytes""#;

impl PostgresStore {
    pub(super) async fn delete_uploads(&self, silent: Duration) -> Result<u64, DalError> {
        let seconds = silent.as_secs_f64();
        let gone: u64 = call!(self.server(), OPERATION, |connection| {
            self.query(EXPIRE).bind(seconds).execute(&mut *connection).await.map(|done| done.rows_affected())
        });
        Ok(gone)
    }

    pub(super) async fn read_dead_payloads(&self) -> Result<Vec<Uuid>, DalError> {
        let rows: Vec<PgRow> = call!(self.server(), OPERATION, |connection| {
            let parts = self.query(PAYLOADS).fetch_all(&mut *connection).await?;
            let payloads = parts.iter().map(|row| row.try_get("payload")).collect::<Result<Vec<Id>, _>>()?;
            self.query(DEAD).bind(payloads).fetch_all(&mut *connection).await
        });
        rows.iter().map(|row| get::<Id>("ModelWeightParts", row, "payload").map(|uid| uid.0)).collect()
    }

    pub(super) async fn delete_parts(&self, payload: Uuid) -> Result<bool, DalError> {
        let gone: u64 = call!(self.server(), OPERATION, |connection| {
            self.query(PARTS)
                .bind(Id(payload))
                .bind(STEP)
                .execute(&mut *connection)
                .await
                .map(|done| done.rows_affected())
        });
        Ok(gone > 0)
    }

    pub(super) async fn delete_unused_chunks(&self, after: Option<&str>) -> Result<SweptChunks, DalError> {
        let after = after.unwrap_or_default();
        let (last, gone): (Option<String>, Vec<i64>) = call!(self.server(), OPERATION, true, |connection| {
            self.query(LOCK_CHUNKS).execute(&mut *connection).await?;
            let next = self.query(NEXT).bind(after).bind(STEP).fetch_all(&mut *connection).await?;
            let hashes = next.iter().map(|row| row.try_get("sha256")).collect::<Result<Vec<String>, _>>()?;
            let gone = self.query(SWEEP).bind(&hashes).fetch_all(&mut *connection).await?;
            let gone = gone.iter().map(|row| row.try_get("bytes")).collect::<Result<Vec<i64>, _>>()?;
            Ok((hashes.last().cloned(), gone))
        });
        let bytes = gone.iter().map(|bytes| bytes.cast_unsigned()).sum();
        Ok(SweptChunks { last, chunks: gone.len() as u64, bytes })
    }
}
