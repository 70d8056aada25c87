//! Servers and models.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use mer_core::{Model, ModelSpec, Registry, Server};
use surrealdb::types::{Array, Object, RecordId, SurrealValue, Value};
use uuid::Uuid;

use super::{
    SurrealStore,
    query::{take, variables},
    rows::{ModelRow, ServerRow, datetime, params_value},
};
use crate::{
    BoxError, DalError, RegistryCopy,
    backend::RegistryBackend,
    registry_change::{self, Write},
    retry::{Attempt, until_written},
};

const SERVERS: &str = "SELECT * FROM AvailableServers ORDER BY name; SELECT * FROM ConnTypeParams;";
const MODELS: &str = "SELECT * FROM AvailableModels ORDER BY name; SELECT * FROM ModelParams; \
                      SELECT uid, name FROM AvailableServers;";
const SERVER: &str = "LET $found = SELECT * FROM $id; RETURN $found; \
                      SELECT * FROM $found.map(|$row| type::record('ConnTypeParams', $row.connTypeParams));";
const MODEL: &str = "LET $found = SELECT * FROM $id; RETURN $found; \
                     SELECT * FROM $found.map(|$row| type::record('ModelParams', $row.modelParams)); \
                     SELECT uid, name FROM AvailableServers;";

/// Writes the objects that change; the others keep their `lastUpdated`.
///
/// The last part writes to a row of each server that a model names. A transaction that removes the server at the same
/// time deletes that row, and one of the two fails as a conflict: transactions of this engine do not notice what others
/// have read.
///
/// The first part checks, if `$guarded`, that the objects to change are unchanged since they were read.
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

/// Error that [`APPLY`] throws if an object was changed.
const MEANWHILE: &str = "MER: changed meanwhile";

const APPLY_OPERATION: &str = "change the registry";

/// Writes the counter of the model's weights, so that a transaction that adds a version meanwhile starts again and
/// finds no model.
const REMOVE_MODEL: &str = "
BEGIN;
LET $found = SELECT * FROM $id;
LET $weighted = SELECT VALUE model FROM ModelWeights WHERE model IN $found.uid LIMIT 1;
IF $weighted = [] {
    FOR $row IN $found {
        UPSERT type::record('ModelWeightCounters', $row.uid) SET model = $row.uid RETURN NONE;
        DELETE type::record('ModelWeightCounters', $row.uid) RETURN NONE;
        DELETE ModelWeightUploads WHERE model = $row.uid RETURN NONE;
        DELETE ModelWeightAliases WHERE model = $row.uid RETURN NONE;
        DELETE ModelWeightAliasMoves WHERE model = $row.uid RETURN NONE;
        DELETE type::record('ModelParams', $row.modelParams) RETURN NONE;
        DELETE $row.id RETURN NONE;
    };
};
$weighted;
COMMIT;";

const REMOVE_SERVER: &str = "
BEGIN;
LET $found = SELECT * FROM $id;
LET $users = SELECT VALUE name FROM AvailableModels WHERE servers CONTAINSANY $found.uid;
IF $users = [] {
    FOR $row IN $found {
        DELETE type::record('ConnTypeParams', $row.connTypeParams) RETURN NONE;
        DELETE $row.id RETURN NONE;
    };
};
$users;
COMMIT;";

/// Index of the statement, in both, that returns why nothing was removed.
const REASON: usize = 4;

#[derive(Debug, SurrealValue)]
struct Named {
    uid: Uuid,
    name: String,
}

impl RegistryBackend for SurrealStore {
    async fn servers(&self) -> Result<Vec<Server>, DalError> {
        let mut results = self.run("list the servers", SERVERS, variables([])).await?;
        let rows: Vec<ServerRow> = take(&mut results, 0, "AvailableServers")?;
        let mut params = Params::new(take(&mut results, 1, "ConnTypeParams")?);
        rows.into_iter().map(|row| params.of(row.conn_type_params).and_then(|params| row.server(params))).collect()
    }

    async fn server(&self, name: &str) -> Result<Option<Server>, DalError> {
        let id = variables([("id", RecordId::new("AvailableServers", name).into_value())]);
        let mut results = self.run("find the server", SERVER, id).await?;
        let rows: Vec<ServerRow> = take(&mut results, 1, "AvailableServers")?;
        let mut params = Params::new(take(&mut results, 2, "ConnTypeParams")?);
        rows.into_iter()
            .next()
            .map(|row| params.of(row.conn_type_params).and_then(|params| row.server(params)))
            .transpose()
    }

    async fn models(&self) -> Result<Vec<Model>, DalError> {
        let mut results = self.run("list the models", MODELS, variables([])).await?;
        let rows: Vec<ModelRow> = take(&mut results, 0, "AvailableModels")?;
        let mut params = Params::new(take(&mut results, 1, "ModelParams")?);
        let names = names(take(&mut results, 2, "AvailableServers")?);
        rows.into_iter()
            .map(|row| params.of(row.model_params).and_then(|params| row.model(params, |uid| names.get(&uid).cloned())))
            .collect()
    }

    async fn model(&self, name: &str) -> Result<Option<Model>, DalError> {
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

    async fn apply(&self, registry: &Registry, seen: Option<&Registry>) -> Result<(), DalError> {
        until_written(APPLY_OPERATION, || self.try_apply(registry, seen)).await
    }

    async fn restore(&self, copy: &RegistryCopy) -> Result<(), DalError> {
        self.restore_registry(copy).await
    }

    async fn remove_model(&self, name: &str) -> Result<(), DalError> {
        const OPERATION: &str = "remove the model";
        self.mark_changed();
        let id = variables([("id", RecordId::new("AvailableModels", name).into_value())]);
        let mut results = self.write(OPERATION, REMOVE_MODEL, id).await?;
        if !take::<Uuid>(&mut results, REASON, "ModelWeights")?.is_empty() {
            return Err(DalError::HasWeights { model: name.to_owned() });
        }
        if self.writes_may_be_ignored() && self.model(name).await?.is_some() {
            return Err(self.ignored(OPERATION));
        }
        Ok(())
    }

    async fn remove_server(&self, name: &str) -> Result<Vec<String>, DalError> {
        const OPERATION: &str = "remove the server";
        self.mark_changed();
        let id = variables([("id", RecordId::new("AvailableServers", name).into_value())]);
        let mut results = self.write(OPERATION, REMOVE_SERVER, id).await?;
        let mut users: Vec<String> = take(&mut results, REASON, "AvailableModels")?;
        users.sort_unstable();
        if users.is_empty() && self.writes_may_be_ignored() && self.server(name).await?.is_some() {
            return Err(self.ignored(OPERATION));
        }
        Ok(users)
    }
}

impl SurrealStore {
    /// Applies a registry once; the inner error says that an object was changed meanwhile. Then everything is read again, to
    /// see whether that matters.
    async fn try_apply(&self, registry: &Registry, seen: Option<&Registry>) -> Attempt<()> {
        let mut servers = Vec::new();
        for Write { name, spec, updated } in registry_change::servers(registry, &self.servers().await?, seen)? {
            let mut row = row("AvailableServers", name, &spec.params)?;
            row.insert("connType", spec.conn_type.to_string());
            insert_time(&mut row, updated)?;
            servers.push(Value::Object(row));
        }
        let mut models = Vec::new();
        let mut links = BTreeSet::new();
        for Write { name, spec, updated } in registry_change::models(registry, &self.models().await?, seen)? {
            // The names of servers are links, not parameters.
            let mut row = row("AvailableModels", name, &ModelSpec { servers: Vec::new(), ..spec.clone() })?;
            row.insert("servers", server_ids(spec.servers.iter().map(String::as_str)));
            insert_time(&mut row, updated)?;
            links.extend(spec.servers.iter().map(String::as_str));
            models.push(Value::Object(row));
        }
        if servers.is_empty() && models.is_empty() {
            return Ok(Ok(()));
        }
        self.mark_changed();
        let links = server_ids(links).into_value();
        let rows = variables([
            ("servers", servers.into_value()),
            ("models", models.into_value()),
            ("links", links),
            ("guarded", seen.is_some().into_value()),
        ]);
        match self.write(APPLY_OPERATION, APPLY, rows).await {
            Err(DalError::Value { source, .. }) if source.to_string().contains(MEANWHILE) => {
                return Ok(Err(source as BoxError));
            }
            written => written?,
        };
        if self.writes_may_be_ignored() {
            let servers: HashMap<_, _> = self.servers().await?.into_iter().map(|s| (s.name, s.spec)).collect();
            let models: HashMap<_, _> = self.models().await?.into_iter().map(|m| (m.name, m.spec)).collect();
            let kept = registry.servers.iter().all(|(name, spec)| servers.get(name) == Some(spec))
                && registry.models.iter().all(|(name, spec)| models.get(name) == Some(spec));
            if !kept {
                return Err(self.ignored(APPLY_OPERATION));
            }
        }
        Ok(Ok(()))
    }
}

/// Adds the time of the last change of the row that is replaced.
fn insert_time(row: &mut Object, updated: Option<Timestamp>) -> Result<(), DalError> {
    if let Some(updated) = updated {
        row.insert("updated", datetime(updated)?.into_value());
    }
    Ok(())
}

/// Returns the record ids of servers.
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
            // The link to the row that it belongs to.
            row.remove("linked");
            let Some(Value::Uuid(uid)) = row.remove("uid") else { return None };
            Some((uid.into_inner(), Value::Object(row).into_json_value()))
        });
        Self(by_uid.collect())
    }

    /// Takes the row of this uid; a missing row counts as empty.
    fn of(&mut self, uid: Uuid) -> Result<serde_json::Value, DalError> {
        Ok(self.0.remove(&uid).unwrap_or_else(|| serde_json::Value::Object(serde_json::Map::new())))
    }
}
