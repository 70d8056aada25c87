//! Converts rows of the database to and from the types of the domain.

use std::borrow::Cow;

use mer_core::{Access, Model, ModelSpec, Server, ServerSpec};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Decode, Postgres, Row as _, Type, postgres::PgRow};
use uuid::Uuid;

use super::wire_types::{Id, Json, Time};
use crate::DalError;

/// Reads a field of a row.
pub(super) fn get<'r, T>(table: &'static str, row: &'r PgRow, field: &str) -> Result<T, DalError>
where
    T: Decode<'r, Postgres> + Type<Postgres>,
{
    row.try_get(field).map_err(|error| DalError::Row { table, reason: error.to_string() })
}

/// Reads a server from a row of `AvailableServers` joined with its parameters.
pub(super) fn server(row: &PgRow) -> Result<Server, DalError> {
    const TABLE: &str = "AvailableServers";
    let name: String = get(TABLE, row, "name")?;
    Ok(Server {
        uid: get::<Id>(TABLE, row, "uid")?.0.to_string(),
        spec: ServerSpec {
            conn_type: enum_value(TABLE, &name, get(TABLE, row, "connType")?)?,
            params: params("ConnTypeParams", row, &name)?,
        },
        created_at: get::<Time>(TABLE, row, "createdAt")?.0,
        last_updated: get::<Time>(TABLE, row, "lastUpdated")?.0,
        name,
    })
}

/// Reads a model from a row of `AvailableModels` joined with its parameters.
pub(super) fn model(row: &PgRow, server_name: impl Fn(Uuid) -> Option<String>) -> Result<Model, DalError> {
    const TABLE: &str = "AvailableModels";
    let name: String = get(TABLE, row, "name")?;
    let mut spec: ModelSpec = params("ModelParams", row, &name)?;
    spec.servers = get::<Vec<Id>>(TABLE, row, "servers")?
        .iter()
        .map(|uid| {
            server_name(uid.0).ok_or_else(|| DalError::Row {
                table: TABLE,
                reason: format!("model `{name}` names the server {}, which does not exist", uid.0),
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(Model {
        uid: get::<Id>(TABLE, row, "uid")?.0.to_string(),
        spec,
        created_at: get::<Time>(TABLE, row, "createdAt")?.0,
        last_updated: get::<Time>(TABLE, row, "lastUpdated")?.0,
        name,
    })
}

/// Reads an access from a row of `ModelAccess`.
pub(super) fn access(row: &PgRow) -> Result<Access, DalError> {
    const TABLE: &str = "ModelAccess";
    let request_uid = get::<Id>(TABLE, row, "requestUid")?.0;
    let about = request_uid.to_string();
    Ok(Access {
        request_uid,
        attempt: small(TABLE, get(TABLE, row, "attempt")?)?,
        model: get(TABLE, row, "model")?,
        server: get(TABLE, row, "server")?,
        kind: enum_value(TABLE, &about, get(TABLE, row, "kind")?)?,
        protocol: get(TABLE, row, "protocol")?,
        weights_version: get::<Option<i64>>(TABLE, row, "weightsVersion")?.map(i64::cast_unsigned),
        weights_sha256: get(TABLE, row, "weightsSha256")?,
        caller: get(TABLE, row, "caller")?,
        caller_pid: small(TABLE, get(TABLE, row, "callerPid")?)?,
        caller_claims: texts_of(row, "callerClaims")?,
        start_access: get::<Time>(TABLE, row, "startAccess")?.0,
        stop_access: get::<Option<Time>>(TABLE, row, "stopAccess")?.map(|time| time.0),
        status: enum_value(TABLE, &about, get(TABLE, row, "status")?)?,
        exit_code: get(TABLE, row, "exitCode")?,
        signal: get(TABLE, row, "signal")?,
        queue_ms: get(TABLE, row, "queueMs")?,
        connect_ms: get(TABLE, row, "connectMs")?,
        start_ms: get(TABLE, row, "startMs")?,
        run_ms: get(TABLE, row, "runMs")?,
        stdin_bytes: get::<i64>(TABLE, row, "stdinBytes")?.cast_unsigned(),
        stdout_bytes: get::<i64>(TABLE, row, "stdoutBytes")?.cast_unsigned(),
        stderr_bytes: get::<i64>(TABLE, row, "stderrBytes")?.cast_unsigned(),
        stdin_sha256: get(TABLE, row, "stdinSha256")?,
        stdout_sha256: get(TABLE, row, "stdoutSha256")?,
        stderr_tail: get(TABLE, row, "stderrTail")?,
        error: get(TABLE, row, "error")?,
        batch_uid: get::<Option<Id>>(TABLE, row, "batchUid")?.map(|uid| uid.0),
        items: get::<Option<i64>>(TABLE, row, "items")?.map(i64::cast_unsigned),
        failed_items: get::<Option<i64>>(TABLE, row, "failedItems")?.map(i64::cast_unsigned),
        job_id: get(TABLE, row, "jobId")?,
        via: get(TABLE, row, "via")?,
        tags: texts_of(row, "tags")?,
    })
}

/// Returns the value of the column `params`.
pub(super) fn params_text(params: &impl Serialize) -> Result<String, DalError> {
    serde_json::to_string(params).map_err(|error| DalError::Row { table: "parameters", reason: error.to_string() })
}

/// Returns the value of a column that holds an object of texts.
pub(super) fn texts(texts: &impl Serialize) -> String {
    // A map from text to text can always be encoded.
    serde_json::to_string(texts).unwrap_or_else(|_| "{}".to_owned())
}

/// Reads an object of texts from a row of `ModelAccess`. Anything else was not written by MER, and is ignored.
fn texts_of<T: DeserializeOwned + Default>(row: &PgRow, column: &str) -> Result<T, DalError> {
    let text: Json<'_> = get("ModelAccess", row, column)?;
    Ok(serde_json::from_str(text.0).unwrap_or_default())
}

/// Returns a text that the server can store. Zero bytes become the replacement character, as bytes that are not UTF-8
/// did before.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

/// Converts a count. Counts beyond 9.2 × 10^18 are stored as that, because the database's integers are signed.
pub(super) fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Converts a number to a smaller type of the domain.
pub(super) fn small<T: TryFrom<i64>>(table: &'static str, number: i64) -> Result<T, DalError> {
    T::try_from(number).map_err(|_| DalError::Row { table, reason: format!("the number {number} is out of bounds") })
}

/// Reads the schemaless part of a row, which arrives as JSON text; a missing row counts as empty.
pub(super) fn params<T: DeserializeOwned>(table: &'static str, row: &PgRow, about: &str) -> Result<T, DalError> {
    let text: Option<&str> = get(table, row, "params")?;
    serde_json::from_str(text.unwrap_or("{}"))
        .map_err(|error| DalError::Row { table, reason: format!("`{about}`: {error}") })
}

/// Reads the name of an enum's variant.
pub(super) fn enum_value<T: DeserializeOwned>(table: &'static str, about: &str, name: String) -> Result<T, DalError> {
    serde_json::from_value(name.into()).map_err(|error| DalError::Row { table, reason: format!("`{about}`: {error}") })
}
