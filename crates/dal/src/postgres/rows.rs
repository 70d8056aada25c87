//! Converts rows of the database to and from the types of the domain.

use std::borrow::Cow;

use mer_core::{Access, Model, ModelSpec, Server, ServerSpec};
use serde::{
    Serialize,
    de::{DeserializeOwned, IntoDeserializer as _},
};
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

/// The columns that [`access`] reads, in its order.
macro_rules! access_columns {
    () => {
        r#"
    "requestUid", "attempt", "model", "server", "kind", "protocol", "weightsVersion", "weightsSha256",
    "caller", "callerPid", "callerClaims", "startAccess", "stopAccess", "status", "exitCode", "signal",
    "queueMs", "connectMs", "startMs", "runMs", "stdinBytes", "stdoutBytes", "stderrBytes", "stdinSha256",
    "stdoutSha256", "stderrTail", "error", "batchUid", "items", "failedItems", "jobId", "via", "tags""#
    };
}
pub(super) use access_columns;

/// Reads an access from a row of [`access_columns`].
pub(super) fn access(row: &PgRow) -> Result<Access, DalError> {
    let mut fields = Fields { row, next: 0 };
    Ok(Access {
        request_uid: fields.next::<Id>()?.0,
        attempt: small(ACCESSES, fields.next()?)?,
        model: fields.next()?,
        server: fields.next()?,
        kind: fields.name()?,
        protocol: fields.next()?,
        weights_version: fields.next::<Option<i64>>()?.map(i64::cast_unsigned),
        weights_sha256: fields.next()?,
        caller: fields.next()?,
        caller_pid: small(ACCESSES, fields.next()?)?,
        caller_claims: fields.texts()?,
        start_access: fields.next::<Time>()?.0,
        stop_access: fields.next::<Option<Time>>()?.map(|time| time.0),
        status: fields.name()?,
        exit_code: fields.next()?,
        signal: fields.next()?,
        queue_ms: fields.next()?,
        connect_ms: fields.next()?,
        start_ms: fields.next()?,
        run_ms: fields.next()?,
        stdin_bytes: fields.next::<i64>()?.cast_unsigned(),
        stdout_bytes: fields.next::<i64>()?.cast_unsigned(),
        stderr_bytes: fields.next::<i64>()?.cast_unsigned(),
        stdin_sha256: fields.next()?,
        stdout_sha256: fields.next()?,
        stderr_tail: fields.next()?,
        error: fields.next()?,
        batch_uid: fields.next::<Option<Id>>()?.map(|uid| uid.0),
        items: fields.next::<Option<i64>>()?.map(i64::cast_unsigned),
        failed_items: fields.next::<Option<i64>>()?.map(i64::cast_unsigned),
        job_id: fields.next()?,
        via: fields.next()?,
        tags: fields.texts()?,
    })
}

const ACCESSES: &str = "ModelAccess";

/// Reads the fields of a row one after the other, which is faster than by their names.
struct Fields<'r> {
    row: &'r PgRow,
    next: usize,
}

impl<'r> Fields<'r> {
    fn next<T>(&mut self) -> Result<T, DalError>
    where
        T: Decode<'r, Postgres> + Type<Postgres>,
    {
        let index = self.next;
        self.next += 1;
        self.row.try_get(index).map_err(|error| DalError::Row { table: ACCESSES, reason: error.to_string() })
    }

    /// Reads the name of an enum's variant.
    fn name<T: DeserializeOwned>(&mut self) -> Result<T, DalError> {
        let name: &str = self.next()?;
        T::deserialize(name.into_deserializer()).map_err(|error: serde::de::value::Error| {
            let about =
                get::<Id>(ACCESSES, self.row, "requestUid").map_or_else(|_| String::new(), |uid| uid.0.to_string());
            DalError::Row { table: ACCESSES, reason: format!("`{about}`: {error}") }
        })
    }

    /// Reads an object of texts. Anything else was not written by MER, and is ignored.
    fn texts<T: DeserializeOwned + Default>(&mut self) -> Result<T, DalError> {
        let text: Json<'_> = self.next()?;
        Ok(serde_json::from_str(text.0).unwrap_or_default())
    }
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
