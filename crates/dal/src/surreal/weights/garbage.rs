//! Garbage collection.

use std::{collections::HashSet, time::Duration};

use surrealdb::types::SurrealValue;
use uuid::Uuid;

use crate::{
    DalError,
    surreal::{
        SurrealStore,
        query::{take, variables},
    },
    weights::SweptChunks,
};

/// Number of parts or chunks that one step deletes.
const STEP: i64 = 64;

const OPERATION: &str = "collect the garbage of weights";

const EXPIRE: &str = "DELETE ModelWeightUploads WHERE touchedAt <= time::now() - $silent RETURN BEFORE;";

/// Parts are read first: an upload exists before its parts, and a version replaces it.
const PAYLOADS: &str = "SELECT VALUE payload FROM ModelWeightParts WHERE part = 0;";

const LIVING: &str = "BEGIN; SELECT VALUE uid FROM ModelWeightUploads; SELECT VALUE payload FROM ModelWeights; COMMIT;";

/// Deletes part 0 last, because payloads are found by it.
const PARTS: &str = "
DELETE (SELECT VALUE id FROM ModelWeightParts:[$payload, 0]..=[$payload, 9223372036854775807] ORDER BY id DESC LIMIT $step)
    RETURN BEFORE;";

const SWEEP: &str = "
BEGIN;
LET $unused = $hashes.filter(|$hash| (SELECT VALUE id FROM ModelWeightParts WHERE sha256 = $hash LIMIT 1) = []);
DELETE $unused.map(|$hash| type::record('ModelWeightChunks', $hash)) RETURN BEFORE;
DELETE $unused.map(|$hash| type::record('ModelWeightPayloads', $hash)) RETURN NONE;
COMMIT;";

/// A row of `ModelWeightChunks`.
#[derive(Debug, SurrealValue)]
struct ChunkRow {
    bytes: i64,
}

/// A row of `ModelWeightUploads` or `ModelWeightParts`; only the number of rows matters.
#[derive(Debug, SurrealValue)]
struct Counted {}

impl SurrealStore {
    pub(super) async fn delete_uploads(&self, silent: Duration) -> Result<u64, DalError> {
        let silent = surrealdb::types::Duration::from(silent).into_value();
        let mut results = self.write(OPERATION, EXPIRE, variables([("silent", silent)])).await?;
        Ok(take::<Counted>(&mut results, 0, "ModelWeightUploads")?.len() as u64)
    }

    pub(super) async fn read_dead_payloads(&self) -> Result<Vec<Uuid>, DalError> {
        let mut results = self.run(OPERATION, PAYLOADS, variables([])).await?;
        let payloads: Vec<Uuid> = take(&mut results, 0, "ModelWeightParts")?;
        let mut results = self.run(OPERATION, LIVING, variables([])).await?;
        let mut living: HashSet<Uuid> = take(&mut results, 1, "ModelWeightUploads")?.into_iter().collect();
        living.extend(take::<Uuid>(&mut results, 2, "ModelWeights")?);
        Ok(payloads.into_iter().filter(|payload| !living.contains(payload)).collect())
    }

    pub(super) async fn delete_parts(&self, payload: Uuid) -> Result<bool, DalError> {
        let values = variables([("payload", payload.into_value()), ("step", STEP.into_value())]);
        let mut results = self.run(OPERATION, PARTS, values).await?;
        Ok(!take::<Counted>(&mut results, 0, "ModelWeightParts")?.is_empty())
    }

    pub(super) async fn delete_unused_chunks(&self, after: Option<&str>) -> Result<SweptChunks, DalError> {
        let mut text = String::from("SELECT VALUE sha256 FROM ModelWeightChunks");
        if let Some(after) = after {
            // A range takes no variable. A hash is hexadecimal, so the text needs no quotes.
            text += &format!(":⟨{after}⟩>..");
        }
        text += " LIMIT $step;";
        let mut results = self.run(OPERATION, text, variables([("step", STEP.into_value())])).await?;
        let hashes: Vec<String> = take(&mut results, 0, "ModelWeightChunks")?;
        let Some(last) = hashes.last().cloned() else { return Ok(SweptChunks::default()) };
        let mut results = self.write(OPERATION, SWEEP, variables([("hashes", hashes.into_value())])).await?;
        let gone: Vec<ChunkRow> = take(&mut results, 2, "ModelWeightChunks")?;
        let bytes = gone.iter().map(|row| row.bytes.cast_unsigned()).sum();
        Ok(SweptChunks { last: Some(last), chunks: gone.len() as u64, bytes })
    }
}
