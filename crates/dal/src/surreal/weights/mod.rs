//! Weights: payloads in chunks, versions, aliases, and clearing away.

mod aliases;
mod garbage;
mod payload;
mod restore;
mod rows;
mod versions;

use std::time::Duration;

use mer_core::{Alias, AliasMove, Model, WeightsVersion};
use surrealdb::{
    Error,
    types::{RecordId, RecordIdKey, SurrealValue, Value, Variables},
};
use uuid::Uuid;

use super::{SurrealStore, store::variables};
use crate::{
    DalError, NewVersion,
    weights::{Chunk, Swept, WeightsBackend, model_uid},
};

/// What our statements throw, in the message of the error.
const NO_UPLOAD: &str = "mer:no-upload";
const NO_MODEL: &str = "mer:no-model";
const NO_CHUNK: &str = "mer:no-chunk";
const NO_VERSION: &str = "mer:no-version";
const OTHER: &str = "mer:other-version";
const NAMED: &str = "mer:named";

fn threw(error: &Error, what: &str) -> bool {
    error.message().contains(what)
}

/// A record whose key is made of several.
fn record(table: &'static str, key: Vec<Value>) -> Value {
    RecordId::new(table, RecordIdKey::Array(key.into())).into_value()
}

/// A record whose key is a uid.
fn record_of(table: &'static str, uid: Uuid) -> Value {
    RecordId::new(table, RecordIdKey::Uuid(uid.into())).into_value()
}

fn number(count: u64) -> Value {
    i64::try_from(count).unwrap_or(i64::MAX).into_value()
}

/// A shape as the database keeps it. Its integers have a sign: the lengths beyond, which only an array of nothing can have,
/// become negative ones, and are read back as what they were.
fn lengths(shape: Option<&[u64]>) -> Value {
    let lengths = |shape: &[u64]| shape.iter().map(|length| length.cast_signed()).collect::<Vec<i64>>();
    shape.map(lengths).into_value()
}

/// What a transaction is told of the model whose weights it changes.
fn of_model(model: &Model) -> Result<Variables, DalError> {
    let uid = model_uid(model)?;
    Ok(variables([
        ("counterId", record_of("ModelWeightCounters", uid)),
        ("modelId", RecordId::new("AvailableModels", model.name.as_str()).into_value()),
        ("model", uid.into_value()),
    ]))
}

impl WeightsBackend for SurrealStore {
    async fn begin_upload(&self, model: Uuid) -> Result<Uuid, DalError> {
        self.new_upload(model).await
    }

    async fn put_parts(&self, model: &Model, upload: Uuid, first: u64, chunks: &[Chunk]) -> Result<(), DalError> {
        self.write_parts(model, upload, first, chunks).await
    }

    async fn commit_upload(
        &self,
        model: &Model,
        upload: Uuid,
        new: &NewVersion,
        bytes: u64,
        sha256: &str,
    ) -> Result<WeightsVersion, DalError> {
        self.write_version(model, upload, new, bytes, sha256).await
    }

    async fn abort_upload(&self, upload: Uuid) -> Result<(), DalError> {
        self.forget_upload(upload).await
    }

    async fn read_parts(&self, payload: Uuid, from: u64, count: u32) -> Result<Vec<Chunk>, DalError> {
        self.read_chunks(payload, from, count).await
    }

    async fn versions(&self, model: &Model) -> Result<Vec<WeightsVersion>, DalError> {
        self.read_versions(model).await
    }

    async fn version(&self, model: &Model, version: u64) -> Result<Option<WeightsVersion>, DalError> {
        self.read_version(model, version).await
    }

    async fn named_versions(&self, models: &[Model]) -> Result<Vec<(Alias, WeightsVersion)>, DalError> {
        self.read_named(models).await
    }

    async fn alias_moves(&self, model: &Model, name: Option<&str>) -> Result<Vec<AliasMove>, DalError> {
        self.read_moves(model, name).await
    }

    async fn move_alias(
        &self,
        model: &Model,
        name: &str,
        version: Option<u64>,
        caller: &str,
        request: Option<Uuid>,
    ) -> Result<(), DalError> {
        self.write_alias(model, name, version, caller, request).await
    }

    async fn is_in_log(&self, model: &Model, version: u64) -> Result<bool, DalError> {
        self.read_mention(model, version).await
    }

    async fn remove_version(&self, model: &Model, version: u64, force: bool, caller: &str) -> Result<(), DalError> {
        self.delete_version(model, version, force, caller).await
    }

    async fn last_version(&self, model: &Model) -> Result<u64, DalError> {
        self.read_last(model).await
    }

    async fn restore_version(&self, model: &Model, upload: Uuid, version: &WeightsVersion) -> Result<(), DalError> {
        self.write_restored(model, upload, version).await
    }

    async fn restore_aliases(&self, model: &Model, last: u64, moves: &[AliasMove]) -> Result<(), DalError> {
        self.write_moves(model, last, moves).await
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

    async fn sweep_chunks(&self, after: Option<&str>) -> Result<Swept, DalError> {
        self.delete_unused_chunks(after).await
    }
}
