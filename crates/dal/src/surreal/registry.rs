//! Servers and models.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use mer_core::{Model, ModelSpec, Registry, Server};
use surrealdb::types::{Array, Object, RecordId, SurrealValue, Value};
use uuid::Uuid;

use super::{
    SurrealStore,
    rows::{ModelRow, ServerRow, datetime, params_value},
    store::{take, variables},
};
use crate::{
    DalError,
    registry_change::{self, Write},
    retry,
};

const SERVERS: &str = "SELECT * FROM AvailableServers ORDER BY name; SELECT * FROM ConnTypeParams;";
const MODELS: &str = "SELECT * FROM AvailableModels ORDER BY name; SELECT * FROM ModelParams; \
                      SELECT uid, name FROM AvailableServers;";
const SERVER: &str = "LET $found = SELECT * FROM $id; RETURN $found; \
                      SELECT * FROM $found.map(|$row| type::record('ConnTypeParams', $row.connTypeParams));";
const MODEL: &str = "LET $found = SELECT * FROM $id; RETURN $found; \
                     SELECT * FROM $found.map(|$row| type::record('ModelParams', $row.modelParams)); \
                     SELECT uid, name FROM AvailableServers;";

/// The rows of an object that did not change are left alone, so that `lastUpdated` tells the truth.
///
/// The last part writes to a row of each server that a model names. Whoever removes the server at the same time deletes
/// that row, and one of the two fails as a conflict: transactions of this engine do not notice what others have read.
///
/// The first part looks whether what is to be changed is still what was read before, where that matters.
const APPLY: &str = "
BEGIN;
LET $now = time::now();
IF $guarded {
    -- Not one list of all: what array::concat gives may not exceed 1 MiB.
    FOR $kind IN [$servers, $models] {
        FOR $new IN $kind {
            IF (SELECT VALUE lastUpdated FROM $new.id)[0] != $new.updated { THROW 'MER: changed meanwhile'; };
        };
    };
};
FOR $new IN $servers {
    LET $row = UPSERT ONLY $new.id SET name = $new.name, connType = $new.connType,
        createdAt = createdAt ?? $now, lastUpdated = $now;
    UPSERT type::record('ConnTypeParams', $row.connTypeParams)
        CONTENT object::extend($new.params, { uid: $row.connTypeParams }) RETURN NONE;
};
FOR $new IN $models {
    LET $row = UPSERT ONLY $new.id SET name = $new.name, servers = $new.servers.uid,
        createdAt = createdAt ?? $now, lastUpdated = $now;
    UPSERT type::record('ModelParams', $row.modelParams)
        CONTENT object::extend($new.params, { uid: $row.modelParams }) RETURN NONE;
};
FOR $link IN $links {
    UPDATE type::record('ConnTypeParams', $link.connTypeParams) SET linked = rand::uuid() RETURN NONE;
};
COMMIT;";

/// What [`APPLY`] says then.
const MEANWHILE: &str = "MER: changed meanwhile";

#[derive(Debug, SurrealValue)]
struct Named {
    uid: Uuid,
    name: String,
}

impl SurrealStore {
    pub(super) async fn read_servers(&self) -> Result<Vec<Server>, DalError> {
        let mut results = self.run("list the servers", SERVERS, variables([])).await?;
        let rows: Vec<ServerRow> = take(&mut results, 0, "AvailableServers")?;
        let mut params = Params::new(take(&mut results, 1, "ConnTypeParams")?);
        rows.into_iter().map(|row| params.of(row.conn_type_params).and_then(|params| row.server(params))).collect()
    }

    pub(super) async fn read_server(&self, name: &str) -> Result<Option<Server>, DalError> {
        let id = variables([("id", RecordId::new("AvailableServers", name).into_value())]);
        let mut results = self.run("find the server", SERVER, id).await?;
        let rows: Vec<ServerRow> = take(&mut results, 1, "AvailableServers")?;
        let mut params = Params::new(take(&mut results, 2, "ConnTypeParams")?);
        rows.into_iter()
            .next()
            .map(|row| params.of(row.conn_type_params).and_then(|params| row.server(params)))
            .transpose()
    }

    pub(super) async fn read_models(&self) -> Result<Vec<Model>, DalError> {
        let mut results = self.run("list the models", MODELS, variables([])).await?;
        let rows: Vec<ModelRow> = take(&mut results, 0, "AvailableModels")?;
        let mut params = Params::new(take(&mut results, 1, "ModelParams")?);
        let names = names(take(&mut results, 2, "AvailableServers")?);
        rows.into_iter()
            .map(|row| params.of(row.model_params).and_then(|params| row.model(params, |uid| names.get(&uid).cloned())))
            .collect()
    }

    pub(super) async fn read_model(&self, name: &str) -> Result<Option<Model>, DalError> {
        let id = variables([("id", RecordId::new("AvailableModels", name).into_value())]);
        let mut results = self.run("find the model", MODEL, id).await?;
        let rows: Vec<ModelRow> = take(&mut results, 1, "AvailableModels")?;
        let mut params = Params::new(take(&mut results, 2, "ModelParams")?);
        let names = names(take(&mut results, 3, "AvailableServers")?);
        rows.into_iter()
            .next()
            .map(|row| params.of(row.model_params).and_then(|params| row.model(params, |uid| names.get(&uid).cloned())))
            .transpose()
    }

    pub(super) async fn write_registry(&self, registry: &Registry, seen: Option<&Registry>) -> Result<(), DalError> {
        let mut lost = 0;
        loop {
            match self.try_registry(registry, seen).await {
                // Looked at again: whether that was a change that matters.
                Err(DalError::Value { source, .. })
                    if source.to_string().contains(MEANWHILE) && lost < retry::TRIES =>
                {
                    lost += 1;
                    tokio::time::sleep(retry::pause(lost)).await;
                }
                done => return done,
            }
        }
    }

    async fn try_registry(&self, registry: &Registry, seen: Option<&Registry>) -> Result<(), DalError> {
        let mut servers = Vec::new();
        for Write { name, spec, updated } in registry_change::servers(registry, &self.read_servers().await?, seen)? {
            let mut row = row("AvailableServers", name, &spec.params)?;
            row.insert("connType", spec.conn_type.to_string());
            insert_time(&mut row, updated)?;
            servers.push(Value::Object(row));
        }
        let mut models = Vec::new();
        let mut links = BTreeSet::new();
        for Write { name, spec, updated } in registry_change::models(registry, &self.read_models().await?, seen)? {
            // The names of the servers are links, not parameters.
            let mut row = row("AvailableModels", name, &ModelSpec { servers: Vec::new(), ..spec.clone() })?;
            row.insert("servers", server_ids(spec.servers.iter().map(String::as_str)));
            insert_time(&mut row, updated)?;
            links.extend(spec.servers.iter().map(String::as_str));
            models.push(Value::Object(row));
        }
        if servers.is_empty() && models.is_empty() {
            return Ok(());
        }
        self.mark_changed();
        let links = server_ids(links).into_value();
        let rows = variables([
            ("servers", servers.into_value()),
            ("models", models.into_value()),
            ("links", links),
            ("guarded", seen.is_some().into_value()),
        ]);
        const OPERATION: &str = "change the registry";
        self.write(OPERATION, APPLY, rows).await?;
        if self.writes_may_be_ignored() {
            let servers: HashMap<_, _> = self.read_servers().await?.into_iter().map(|s| (s.name, s.spec)).collect();
            let models: HashMap<_, _> = self.read_models().await?.into_iter().map(|m| (m.name, m.spec)).collect();
            let kept = registry.servers.iter().all(|(name, spec)| servers.get(name) == Some(spec))
                && registry.models.iter().all(|(name, spec)| models.get(name) == Some(spec));
            if !kept {
                return Err(self.ignored(OPERATION));
            }
        }
        Ok(())
    }
}

/// When the row that is to be written over was last changed.
fn insert_time(row: &mut Object, updated: Option<Timestamp>) -> Result<(), DalError> {
    if let Some(updated) = updated {
        row.insert("updated", datetime(updated)?.into_value());
    }
    Ok(())
}

/// The record ids of servers.
pub(super) fn server_ids<'a>(names: impl IntoIterator<Item = &'a str>) -> Array {
    let ids = names.into_iter().map(|name| RecordId::new("AvailableServers", name).into_value());
    Array::from(ids.collect::<Vec<Value>>())
}

pub(super) fn row(table: &'static str, name: &str, params: &impl serde::Serialize) -> Result<Object, DalError> {
    let mut row = Object::new();
    row.insert("id", RecordId::new(table, name));
    row.insert("name", name.to_owned());
    row.insert("params", params_value(params)?);
    Ok(row)
}

fn names(rows: Vec<Named>) -> HashMap<Uuid, String> {
    rows.into_iter().map(|row| (row.uid, row.name)).collect()
}

/// Schemaless rows by their uid.
struct Params(HashMap<Uuid, serde_json::Value>);

impl Params {
    fn new(rows: Vec<Value>) -> Self {
        let by_uid = rows.into_iter().filter_map(|row| {
            let Value::Object(mut row) = row else { return None };
            row.remove("id");
            let Some(Value::Uuid(uid)) = row.remove("uid") else { return None };
            Some((uid.into_inner(), Value::Object(row).into_json_value()))
        });
        Self(by_uid.collect())
    }

    /// The row of this uid; one that is gone counts as empty.
    fn of(&mut self, uid: Uuid) -> Result<serde_json::Value, DalError> {
        Ok(self.0.remove(&uid).unwrap_or_else(|| serde_json::Value::Object(serde_json::Map::new())))
    }
}
