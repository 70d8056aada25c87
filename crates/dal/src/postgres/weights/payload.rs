//! Payloads: uploads, parts, chunks.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use bytes::Bytes;
use mer_core::Model;
use sqlx::{Row as _, postgres::PgRow};
use uuid::Uuid;

use crate::{
    DalError,
    backend::PayloadBackend,
    postgres::{
        PostgresStore,
        call::call,
        rows::{count, get},
        wire_types::Id,
    },
    weights::{Chunk, SweptChunks},
};

const BEGIN: &str = r#"INSERT INTO "ModelWeightUploads" ("model") VALUES ($1) RETURNING "uid""#;

const TOUCH: &str = r#"UPDATE "ModelWeightUploads" SET "touchedAt" = clock_timestamp() WHERE "uid" = $1"#;

/// Returns which chunks are new. Existing ones are touched, so that garbage collection leaves them alone.
const CHUNKS: &str = r#"
INSERT INTO "ModelWeightChunks" ("sha256", "bytes") SELECT * FROM unnest($1::text[], $2::bigint[])
ON CONFLICT ("sha256") DO UPDATE SET "touchedAt" = clock_timestamp()
RETURNING "sha256", "xmax" = 0 AS "isNew""#;

const PAYLOAD: &str = r#"INSERT INTO "ModelWeightPayloads" ("sha256", "payload") VALUES ($1, $2)"#;

const PARTS: &str = r#"
INSERT INTO "ModelWeightParts" ("payload", "part", "sha256", "bytes")
SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::bigint[])
ON CONFLICT ("payload", "part") DO NOTHING"#;

const ABORT: &str = r#"DELETE FROM "ModelWeightUploads" WHERE "uid" = $1"#;

const READ: &str = r#"
SELECT a."sha256", p."payload" FROM "ModelWeightParts" a JOIN "ModelWeightPayloads" p ON p."sha256" = a."sha256"
WHERE a."payload" = $1 AND a."part" >= $2 AND a."part" < $3 ORDER BY a."part""#;

impl PayloadBackend for PostgresStore {
    async fn begin_upload(&self, model: Uuid) -> Result<Uuid, DalError> {
        let row: PgRow = call!(self.server(), "begin to put weights", |connection| {
            self.query(BEGIN).bind(Id(model)).fetch_one(&mut *connection).await
        });
        Ok(get::<Id>("ModelWeightUploads", &row, "uid")?.0)
    }

    async fn put_parts(&self, model: &Model, upload: Uuid, first: u64, chunks: &[Chunk]) -> Result<(), DalError> {
        // In the order of the hashes, so that two writers of the same chunks wait for each other instead of ending in a
        // deadlock.
        let different: BTreeMap<&str, &Bytes> =
            chunks.iter().map(|chunk| (chunk.sha256.as_str(), &chunk.bytes)).collect();
        let hashes: Vec<&str> = different.keys().copied().collect();
        let lengths: Vec<i64> = different.values().map(|bytes| count(bytes.len() as u64)).collect();
        let numbers: Vec<i64> = (first..).zip(chunks).map(|(part, _)| count(part)).collect();
        let of_parts: Vec<&str> = chunks.iter().map(|chunk| chunk.sha256.as_str()).collect();
        let part_lengths: Vec<i64> = chunks.iter().map(|chunk| count(chunk.bytes.len() as u64)).collect();
        let alive: bool = call!(self.server(), "put weights", true, |connection| {
            if self.query(TOUCH).bind(Id(upload)).execute(&mut *connection).await?.rows_affected() == 0 {
                Ok(false)
            } else {
                let kept = self.query(CHUNKS).bind(&hashes).bind(&lengths).fetch_all(&mut *connection).await?;
                let mut new = HashSet::new();
                for row in kept {
                    if row.try_get("isNew")? {
                        new.insert(row.try_get::<String, _>("sha256")?);
                    }
                }
                for (hash, bytes) in different.iter().filter(|(hash, _)| new.contains(**hash)) {
                    self.query(PAYLOAD).bind(hash).bind(bytes.as_ref()).execute(&mut *connection).await?;
                }
                self.query(PARTS)
                    .bind(Id(upload))
                    .bind(&numbers)
                    .bind(&of_parts)
                    .bind(&part_lengths)
                    .execute(&mut *connection)
                    .await
                    .map(|_| true)
            }
        });
        if alive { Ok(()) } else { Err(DalError::UploadGone { model: model.name.clone() }) }
    }

    async fn abort_upload(&self, upload: Uuid) -> Result<(), DalError> {
        call!(self.server(), "take weights back", |connection| {
            self.query(ABORT).bind(Id(upload)).execute(&mut *connection).await.map(|_| ())
        });
        Ok(())
    }

    async fn read_parts(&self, payload: Uuid, from: u64, number: u32) -> Result<Vec<Chunk>, DalError> {
        const TABLE: &str = "ModelWeightPayloads";
        let rows: Vec<PgRow> = call!(self.server(), "read weights", |connection| {
            self.query(READ)
                .bind(Id(payload))
                .bind(count(from))
                .bind(count(from + u64::from(number)))
                .fetch_all(&mut *connection)
                .await
        });
        rows.iter()
            .map(|row| {
                let bytes: Vec<u8> = get(TABLE, row, "payload")?;
                Ok(Chunk { sha256: get(TABLE, row, "sha256")?, bytes: bytes.into() })
            })
            .collect()
    }
    async fn expire_uploads(&self, silent: Duration) -> Result<u64, DalError> {
        self.delete_uploads(silent).await
    }

    async fn dead_payloads(&self) -> Result<Vec<Uuid>, DalError> {
        self.read_dead_payloads().await
    }

    async fn remove_parts(&self, payload: Uuid) -> Result<bool, DalError> {
        self.delete_parts(payload).await
    }

    async fn sweep_chunks(&self, after: Option<&str>) -> Result<SweptChunks, DalError> {
        self.delete_unused_chunks(after).await
    }
}
