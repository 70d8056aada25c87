//! Record ids, variables and thrown errors of the statements about weights.

use mer_core::Model;
use surrealdb::{
    Error,
    types::{RecordId, RecordIdKey, SurrealValue, Value, Variables},
};
use uuid::Uuid;

use crate::{DalError, surreal::query::variables, weights::model_uid};

/// Errors that our statements throw; they are part of the error's message.
pub(super) const NO_UPLOAD: &str = "mer:no-upload";
pub(super) const NO_MODEL: &str = "mer:no-model";
pub(super) const NO_CHUNK: &str = "mer:no-chunk";
pub(super) const NO_VERSION: &str = "mer:no-version";
pub(super) const OTHER: &str = "mer:other-version";
pub(super) const NAMED: &str = "mer:named";

pub(super) fn threw(error: &Error, what: &str) -> bool {
    error.message().contains(what)
}

/// Returns a record id with a composite key.
pub(super) fn record(table: &'static str, key: Vec<Value>) -> Value {
    RecordId::new(table, RecordIdKey::Array(key.into())).into_value()
}

/// Returns a record id whose key is a uid.
pub(super) fn record_of(table: &'static str, uid: Uuid) -> Value {
    RecordId::new(table, RecordIdKey::Uuid(uid.into())).into_value()
}

pub(super) fn number(count: u64) -> Value {
    i64::try_from(count).unwrap_or(i64::MAX).into_value()
}

/// Converts a shape. The database's integers are signed: lengths beyond them, which only an array without elements can
/// have, become negative, and are converted back when they are read.
pub(super) fn lengths(shape: Option<&[u64]>) -> Value {
    let lengths = |shape: &[u64]| shape.iter().map(|length| length.cast_signed()).collect::<Vec<i64>>();
    shape.map(lengths).into_value()
}

/// Returns the variables for the model whose weights a transaction changes.
pub(super) fn of_model(model: &Model) -> Result<Variables, DalError> {
    let uid = model_uid(model)?;
    Ok(variables([
        ("counterId", record_of("ModelWeightCounters", uid)),
        ("modelId", RecordId::new("AvailableModels", model.name.as_str()).into_value()),
        ("model", uid.into_value()),
    ]))
}

/// Returns the record id of a version: its key, so that no index has to keep it unique.
pub(super) fn version_id(model: Uuid, version: u64) -> Value {
    record("ModelWeights", vec![model.into_value(), number(version)])
}
