//! Payloads: uploads, parts, chunks.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use mer_core::Model;
use surrealdb::types::{Bytes, Object, RecordId, SurrealValue, Value};
use uuid::Uuid;

use super::values::{NO_CHUNK, NO_UPLOAD, number, record, record_of, threw};
use crate::{
    BoxError, DalError,
    backend::PayloadBackend,
    retry::until_written,
    surreal::{
        SurrealStore,
        error::is_conflict,
        query::{take, variables},
    },
    weights::{Chunk, SweptChunks},
};

const BEGIN: &str = "
LET $uid = rand::uuid::v7();
CREATE ONLY type::record('ModelWeightUploads', $uid) SET uid = $uid, model = $model, touchedAt = time::now();
RETURN $uid;";

const KNOWN: &str = "SELECT VALUE sha256 FROM $ids;";

/// Leaves the same rows if it runs twice.
const PUT: &str = "
BEGIN;
LET $alive = UPDATE $upload SET touchedAt = time::now();
IF $alive = [] { THROW 'mer:no-upload' };
FOR $id IN $known {
    LET $there = UPDATE $id SET touchedAt = time::now();
    IF $there = [] { THROW 'mer:no-chunk' };
};
FOR $chunk IN $new {
    UPSERT $chunk.id SET sha256 = $chunk.sha256, bytes = $chunk.bytes, touchedAt = time::now() RETURN NONE;
    UPSERT $chunk.payloadId SET sha256 = $chunk.sha256, payload = $chunk.payload RETURN NONE;
};
FOR $part IN $parts { UPSERT $part.id CONTENT $part.content RETURN NONE };
COMMIT;";

const PARTS: &str = "SELECT part, sha256 FROM ModelWeightParts:[$payload, $from]..[$payload, $to];";

const PAYLOADS: &str = "SELECT sha256, payload FROM $ids;";

const ABORT: &str = "DELETE $upload RETURN NONE;";

/// A row of `ModelWeightParts`.
#[derive(Debug, SurrealValue)]
struct PartRow {
    sha256: String,
}

/// A row of `ModelWeightPayloads`.
#[derive(Debug, SurrealValue)]
struct PayloadRow {
    sha256: String,
    payload: Bytes,
}

impl PayloadBackend for SurrealStore {
    async fn begin_upload(&self, model: Uuid) -> Result<Uuid, DalError> {
        let mut results = self.run("begin to put weights", BEGIN, variables([("model", model.into_value())])).await?;
        let uids: Vec<Uuid> = take(&mut results, 2, "ModelWeightUploads")?;
        let none = || DalError::Row { table: "ModelWeightUploads", reason: "an upload has no uid".to_owned() };
        uids.into_iter().next().ok_or_else(none)
    }

    async fn put_parts(&self, model: &Model, upload: Uuid, first: u64, chunks: &[Chunk]) -> Result<(), DalError> {
        const OPERATION: &str = "put weights";
        let parts: Vec<Value> = (first..).zip(chunks).map(|(part, chunk)| part_value(upload, part, chunk)).collect();
        let ids: Vec<Value> = chunks.iter().map(|chunk| chunk_id(&chunk.sha256)).collect();
        until_written(OPERATION, || async {
            let mut results = self.run(OPERATION, KNOWN, variables([("ids", ids.clone().into_value())])).await?;
            let there: HashSet<String> = take(&mut results, 0, "ModelWeightChunks")?.into_iter().collect();
            let (mut known, mut new) = (Vec::new(), Vec::new());
            let mut seen = HashSet::new();
            for chunk in chunks.iter().filter(|chunk| seen.insert(chunk.sha256.as_str())) {
                if there.contains(&chunk.sha256) {
                    known.push(chunk_id(&chunk.sha256));
                } else {
                    new.push(chunk_value(chunk));
                }
            }
            let values = variables([
                ("upload", record_of("ModelWeightUploads", upload)),
                ("known", known.into_value()),
                ("new", new.into_value()),
                ("parts", parts.clone().into_value()),
            ]);
            match self.send(OPERATION, PUT.into(), values).await? {
                Ok(_) => Ok(Ok(())),
                // The chunk was deleted after it was found.
                Err(failure) if is_conflict(&failure.error) || threw(&failure.error, NO_CHUNK) => {
                    Ok(Err(failure.error as BoxError))
                }
                Err(failure) if threw(&failure.error, NO_UPLOAD) && self.writes_may_be_ignored() => {
                    Err(self.ignored(OPERATION))
                }
                Err(failure) if threw(&failure.error, NO_UPLOAD) => {
                    Err(DalError::UploadGone { model: model.name.clone() })
                }
                Err(failure) => Err(self.failed(OPERATION, *failure.error)),
            }
        })
        .await
    }

    async fn abort_upload(&self, upload: Uuid) -> Result<(), DalError> {
        let values = variables([("upload", record_of("ModelWeightUploads", upload))]);
        self.write("take weights back", ABORT, values).await.map(drop)
    }

    async fn read_parts(&self, payload: Uuid, from: u64, count: u32) -> Result<Vec<Chunk>, DalError> {
        const OPERATION: &str = "read weights";
        let values = variables([
            ("payload", payload.into_value()),
            ("from", number(from)),
            ("to", number(from + u64::from(count))),
        ]);
        let mut results = self.run(OPERATION, PARTS, values).await?;
        let parts: Vec<PartRow> = take(&mut results, 0, "ModelWeightParts")?;
        let wanted: HashSet<&str> = parts.iter().map(|part| part.sha256.as_str()).collect();
        let ids: Vec<Value> = wanted.into_iter().map(payload_id).collect();
        let mut results = self.run(OPERATION, PAYLOADS, variables([("ids", ids.into_value())])).await?;
        let payloads: HashMap<String, Bytes> = take::<PayloadRow>(&mut results, 0, "ModelWeightPayloads")?
            .into_iter()
            .map(|row| (row.sha256, row.payload))
            .collect();
        parts
            .into_iter()
            .map(|part| match payloads.get(&part.sha256) {
                Some(bytes) => Ok(Chunk { bytes: bytes.clone().into_inner(), sha256: part.sha256 }),
                None => {
                    let reason = format!("the chunk {} of a version is not there", part.sha256);
                    Err(DalError::Row { table: "ModelWeightPayloads", reason })
                }
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

fn chunk_id(sha256: &str) -> Value {
    RecordId::new("ModelWeightChunks", sha256).into_value()
}

fn payload_id(sha256: &str) -> Value {
    RecordId::new("ModelWeightPayloads", sha256).into_value()
}

fn chunk_value(chunk: &Chunk) -> Value {
    let mut value = Object::new();
    value.insert("id", chunk_id(&chunk.sha256));
    value.insert("payloadId", payload_id(&chunk.sha256));
    value.insert("sha256", chunk.sha256.clone());
    value.insert("bytes", number(chunk.bytes.len() as u64));
    value.insert("payload", Bytes::from(chunk.bytes.clone()));
    Value::Object(value)
}

fn part_value(payload: Uuid, part: u64, chunk: &Chunk) -> Value {
    let mut content = Object::new();
    content.insert("payload", payload.into_value());
    content.insert("part", number(part));
    content.insert("sha256", chunk.sha256.clone());
    content.insert("bytes", number(chunk.bytes.len() as u64));
    let mut value = Object::new();
    value.insert("id", record("ModelWeightParts", vec![payload.into_value(), number(part)]));
    value.insert("content", content);
    Value::Object(value)
}
