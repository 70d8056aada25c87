//! Rows about weights.

use mer_core::{AliasMove, WeightsVersion};
use sqlx::postgres::PgRow;

use crate::{
    DalError,
    postgres::{
        rows::{enum_value, get},
        wire_types::{Id, Time},
    },
};

/// Reads a version of the model of this name from a row of `ModelWeights`.
pub(super) fn version(row: &PgRow, model: &str) -> Result<WeightsVersion, DalError> {
    const TABLE: &str = "ModelWeights";
    let version = get::<i64>(TABLE, row, "version")?.cast_unsigned();
    let about = format!("{model}:{version}");
    Ok(WeightsVersion {
        model: model.to_owned(),
        version,
        format: enum_value(TABLE, &about, get(TABLE, row, "format")?)?,
        dtype: enum_value(
            TABLE,
            &about,
            get::<Option<String>>(TABLE, row, "dtype")?.unwrap_or_else(|| "opaque".to_owned()),
        )?,
        shape: get::<Option<Vec<i64>>>(TABLE, row, "shape")?
            .map(|shape| shape.into_iter().map(i64::cast_unsigned).collect()),
        bytes: get::<i64>(TABLE, row, "bytes")?.cast_unsigned(),
        sha256: get(TABLE, row, "sha256")?,
        parent_version: get::<Option<i64>>(TABLE, row, "parentVersion")?.map(i64::cast_unsigned),
        request_uid: get::<Option<Id>>(TABLE, row, "requestUid")?.map(|uid| uid.0),
        attempt: get::<Option<i64>>(TABLE, row, "attempt")?.and_then(|attempt| u32::try_from(attempt).ok()),
        note: get(TABLE, row, "note")?,
        created_at: get::<Time>(TABLE, row, "createdAt")?.0,
        payload: get::<Id>(TABLE, row, "payload")?.0,
    })
}

/// Reads a move from a row of `ModelWeightAliasMoves`.
pub(super) fn alias_move(row: &PgRow, model: &str) -> Result<AliasMove, DalError> {
    const TABLE: &str = "ModelWeightAliasMoves";
    Ok(AliasMove {
        model: model.to_owned(),
        name: get(TABLE, row, "name")?,
        number: get::<i64>(TABLE, row, "number")?.cast_unsigned(),
        version: get::<Option<i64>>(TABLE, row, "version")?.map(i64::cast_unsigned),
        moved_at: get::<Time>(TABLE, row, "movedAt")?.0,
        caller: get(TABLE, row, "caller")?,
        request_uid: get::<Option<Id>>(TABLE, row, "requestUid")?.map(|uid| uid.0),
    })
}

/// Converts a shape. The database's integers are signed: lengths beyond them, which only an array without elements can
/// have, become negative, and are converted back when they are read.
pub(super) fn lengths(shape: &[u64]) -> Vec<i64> {
    shape.iter().map(|length| length.cast_signed()).collect()
}
