//! Rows about weights.

use mer_core::{AliasMove, WeightsVersion};
use serde::de::DeserializeOwned;
use surrealdb::types::{Datetime, SurrealValue};
use uuid::Uuid;

use crate::{DalError, surreal::rows::timestamp};

/// A row of `ModelWeights`.
#[derive(Debug, SurrealValue)]
#[surreal(rename_all = "camelCase")]
pub(super) struct VersionRow {
    pub(super) model: Uuid,
    version: i64,
    format: String,
    dtype: Option<String>,
    shape: Option<Vec<i64>>,
    bytes: i64,
    sha256: String,
    parent_version: Option<i64>,
    request_uid: Option<Uuid>,
    attempt: Option<i64>,
    note: Option<String>,
    created_at: Datetime,
    payload: Uuid,
}

impl VersionRow {
    /// Converts the row to a version of the model of this name.
    pub(super) fn version(self, model: &str) -> Result<WeightsVersion, DalError> {
        const TABLE: &str = "ModelWeights";
        Ok(WeightsVersion {
            model: model.to_owned(),
            version: self.version.cast_unsigned(),
            format: enum_value(TABLE, self.format)?,
            dtype: enum_value(TABLE, self.dtype.unwrap_or_else(|| "opaque".to_owned()))?,
            shape: self.shape.map(|shape| shape.into_iter().map(i64::cast_unsigned).collect()),
            bytes: self.bytes.cast_unsigned(),
            sha256: self.sha256,
            parent_version: self.parent_version.map(i64::cast_unsigned),
            request_uid: self.request_uid,
            attempt: self.attempt.and_then(|attempt| u32::try_from(attempt).ok()),
            note: self.note,
            created_at: timestamp(TABLE, self.created_at)?,
            payload: self.payload,
        })
    }
}

/// A row of `ModelWeightAliases`.
#[derive(Debug, SurrealValue)]
#[surreal(rename_all = "camelCase")]
pub(super) struct AliasRow {
    pub(super) model: Uuid,
    pub(super) name: String,
    pub(super) version: Option<i64>,
}

/// A row of `ModelWeightAliasMoves`.
#[derive(Debug, SurrealValue)]
#[surreal(rename_all = "camelCase")]
pub(super) struct MoveRow {
    name: String,
    number: i64,
    version: Option<i64>,
    moved_at: Datetime,
    caller: String,
    request_uid: Option<Uuid>,
}

impl MoveRow {
    pub(super) fn alias_move(self, model: &str) -> Result<AliasMove, DalError> {
        Ok(AliasMove {
            model: model.to_owned(),
            name: self.name,
            number: self.number.cast_unsigned(),
            version: self.version.map(i64::cast_unsigned),
            moved_at: timestamp("ModelWeightAliasMoves", self.moved_at)?,
            caller: self.caller,
            request_uid: self.request_uid,
        })
    }
}

/// Reads the name of an enum's variant.
fn enum_value<T: DeserializeOwned>(table: &'static str, name: String) -> Result<T, DalError> {
    let reason = format!("`{name}` is not known");
    serde_json::from_value(name.into()).map_err(|_| DalError::Row { table, reason })
}
