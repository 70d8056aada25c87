//! Converts rows of the database to and from the types of the domain.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mer_core::{Access, Model, ModelSpec, Server, ServerSpec, Tags};
use serde::{Serialize, de::DeserializeOwned};
use surrealdb::types::{Array, Datetime, Number, RecordId, RecordIdKey, SurrealValue, Uuid as DbUuid, Value};
use uuid::Uuid;

use crate::DalError;

/// A row of `AvailableServers`.
#[derive(Debug, SurrealValue)]
#[surreal(rename_all = "camelCase")]
pub(super) struct ServerRow {
    pub(super) uid: Uuid,
    name: String,
    conn_type: String,
    created_at: Datetime,
    last_updated: Datetime,
    pub(super) conn_type_params: Uuid,
}

/// A row of `AvailableModels`.
#[derive(Debug, SurrealValue)]
#[surreal(rename_all = "camelCase")]
pub(super) struct ModelRow {
    uid: Uuid,
    name: String,
    created_at: Datetime,
    last_updated: Datetime,
    servers: Vec<Uuid>,
    pub(super) model_params: Uuid,
}

impl ServerRow {
    /// Converts the row, together with the schemaless row of its parameters.
    pub(super) fn server(self, params: serde_json::Value) -> Result<Server, DalError> {
        const TABLE: &str = "AvailableServers";
        Ok(Server {
            uid: self.uid.to_string(),
            spec: ServerSpec {
                conn_type: read(TABLE, &self.name, self.conn_type.into())?,
                params: read("ConnTypeParams", &self.name, params)?,
            },
            created_at: timestamp(TABLE, self.created_at)?,
            last_updated: timestamp(TABLE, self.last_updated)?,
            name: self.name,
        })
    }
}

impl ModelRow {
    /// Converts the row, together with the schemaless row of its parameters and the names of its servers.
    pub(super) fn model(
        self,
        params: serde_json::Value,
        server_name: impl Fn(Uuid) -> Option<String>,
    ) -> Result<Model, DalError> {
        const TABLE: &str = "AvailableModels";
        let mut spec: ModelSpec = read("ModelParams", &self.name, params)?;
        spec.servers = self
            .servers
            .iter()
            .map(|uid| {
                server_name(*uid).ok_or_else(|| DalError::Row {
                    table: TABLE,
                    reason: format!("model `{}` names the server {uid}, which does not exist", self.name),
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Model {
            uid: self.uid.to_string(),
            spec,
            created_at: timestamp(TABLE, self.created_at)?,
            last_updated: timestamp(TABLE, self.last_updated)?,
            name: self.name,
        })
    }
}

/// A row of `ModelAccess`.
#[derive(Debug, SurrealValue)]
#[surreal(rename_all = "camelCase")]
pub(super) struct AccessRow {
    request_uid: Uuid,
    attempt: i64,
    model: String,
    server: String,
    kind: String,
    protocol: String,
    weights_version: Option<i64>,
    weights_sha256: Option<String>,
    caller: String,
    caller_pid: i64,
    caller_claims: Option<BTreeMap<String, String>>,
    start_access: Datetime,
    stop_access: Option<Datetime>,
    status: String,
    exit_code: Option<i64>,
    signal: Option<String>,
    queue_ms: Option<f64>,
    connect_ms: Option<f64>,
    start_ms: Option<f64>,
    run_ms: Option<f64>,
    stdin_bytes: i64,
    stdout_bytes: i64,
    stderr_bytes: i64,
    stdin_sha256: Option<String>,
    stdout_sha256: Option<String>,
    stderr_tail: String,
    error: Option<String>,
    batch_uid: Option<Uuid>,
    items: Option<i64>,
    failed_items: Option<i64>,
    job_id: Option<String>,
    via: Option<String>,
    tags: Option<BTreeMap<String, String>>,
}

impl AccessRow {
    /// Makes the row of an access, record id included.
    pub(super) fn value(access: &Access) -> Result<Value, DalError> {
        let row = Self {
            request_uid: access.request_uid,
            attempt: access.attempt.into(),
            model: access.model.clone(),
            server: access.server.clone(),
            kind: access.kind.to_string(),
            protocol: access.protocol.clone(),
            weights_version: access.weights_version.map(count),
            weights_sha256: access.weights_sha256.clone(),
            caller: access.caller.clone(),
            caller_pid: access.caller_pid.into(),
            caller_claims: Some(access.caller_claims.clone().into()),
            start_access: datetime(access.start_access)?,
            stop_access: access.stop_access.map(datetime).transpose()?,
            status: access.status.to_string(),
            exit_code: access.exit_code.map(Into::into),
            signal: access.signal.clone(),
            queue_ms: access.queue_ms,
            connect_ms: access.connect_ms,
            start_ms: access.start_ms,
            run_ms: access.run_ms,
            stdin_bytes: count(access.stdin_bytes),
            stdout_bytes: count(access.stdout_bytes),
            stderr_bytes: count(access.stderr_bytes),
            stdin_sha256: access.stdin_sha256.clone(),
            stdout_sha256: access.stdout_sha256.clone(),
            stderr_tail: access.stderr_tail.clone(),
            error: access.error.clone(),
            batch_uid: access.batch_uid,
            items: access.items.map(count),
            failed_items: access.failed_items.map(count),
            job_id: access.job_id.clone(),
            via: access.via.clone(),
            tags: (!access.tags.0.is_empty()).then(|| access.tags.0.clone()),
        };
        let mut value = row.into_value();
        if let Value::Object(object) = &mut value {
            object.insert("id", access_id(access.request_uid, access.attempt));
        }
        Ok(value)
    }

    /// Converts the row to an access.
    pub(super) fn access(self) -> Result<Access, DalError> {
        const TABLE: &str = "ModelAccess";
        let about = self.request_uid.to_string();
        Ok(Access {
            request_uid: self.request_uid,
            attempt: small(TABLE, self.attempt)?,
            model: self.model,
            server: self.server,
            kind: read(TABLE, &about, self.kind.into())?,
            protocol: self.protocol,
            weights_version: self.weights_version.map(i64::cast_unsigned),
            weights_sha256: self.weights_sha256,
            caller: self.caller,
            caller_pid: small(TABLE, self.caller_pid)?,
            caller_claims: self.caller_claims.unwrap_or_default().into(),
            start_access: timestamp(TABLE, self.start_access)?,
            stop_access: self.stop_access.map(|time| timestamp(TABLE, time)).transpose()?,
            status: read(TABLE, &about, self.status.into())?,
            exit_code: self.exit_code.map(|code| small(TABLE, code)).transpose()?,
            signal: self.signal,
            queue_ms: self.queue_ms,
            connect_ms: self.connect_ms,
            start_ms: self.start_ms,
            run_ms: self.run_ms,
            stdin_bytes: self.stdin_bytes.cast_unsigned(),
            stdout_bytes: self.stdout_bytes.cast_unsigned(),
            stderr_bytes: self.stderr_bytes.cast_unsigned(),
            stdin_sha256: self.stdin_sha256,
            stdout_sha256: self.stdout_sha256,
            stderr_tail: self.stderr_tail,
            error: self.error,
            batch_uid: self.batch_uid,
            items: self.items.map(i64::cast_unsigned),
            failed_items: self.failed_items.map(i64::cast_unsigned),
            job_id: self.job_id,
            via: self.via,
            tags: Tags(self.tags.unwrap_or_default()),
        })
    }
}

/// Returns the record id of an access: its key, so that no index has to keep it unique.
pub(super) fn access_id(request: Uuid, attempt: u32) -> RecordId {
    let key = vec![Value::Uuid(DbUuid::from(request)), Value::Number(Number::Int(attempt.into()))];
    RecordId::new("ModelAccess", RecordIdKey::Array(Array::from(key)))
}

/// Makes the content of a schemaless row.
pub(super) fn params_value(params: &impl Serialize) -> Result<Value, DalError> {
    let json = serde_json::to_value(params)
        .map_err(|error| DalError::Row { table: "parameters", reason: error.to_string() })?;
    Ok(json.into_value())
}

/// Converts a time to the database's type.
pub(super) fn datetime(time: Timestamp) -> Result<Datetime, DalError> {
    // Nanoseconds count upwards in the database, also before 1970; in jiff they have the sign of the second.
    let nanos = time.as_nanosecond();
    let second = i64::try_from(nanos.div_euclid(1_000_000_000)).ok();
    let nano = u32::try_from(nanos.rem_euclid(1_000_000_000)).ok();
    second
        .zip(nano)
        .and_then(|(second, nano)| Datetime::from_timestamp(second, nano))
        .ok_or_else(|| DalError::Row { table: "times", reason: format!("the database cannot store the time {time}") })
}

/// Converts a time to the domain's type.
pub(super) fn timestamp(table: &'static str, time: Datetime) -> Result<Timestamp, DalError> {
    let nanos = i32::try_from(time.timestamp_subsec_nanos()).unwrap_or(0);
    Timestamp::new(time.timestamp(), nanos).map_err(|error| DalError::Row { table, reason: error.to_string() })
}

/// Decodes names of enums and schemaless rows with serde.
pub(super) fn read<T: DeserializeOwned>(
    table: &'static str,
    about: &str,
    json: serde_json::Value,
) -> Result<T, DalError> {
    serde_json::from_value(json).map_err(|error| DalError::Row { table, reason: format!("`{about}`: {error}") })
}

pub(super) fn small<T: TryFrom<i64>>(table: &'static str, number: i64) -> Result<T, DalError> {
    T::try_from(number).map_err(|_| DalError::Row { table, reason: format!("the number {number} is out of bounds") })
}

/// Converts a count. Counts beyond 9.2 × 10^18 are stored as that, because the database's integers are signed.
fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
