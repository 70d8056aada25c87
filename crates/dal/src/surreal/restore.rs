//! Restores a registry of another database, with its uids and times.

use jiff::Timestamp;
use mer_core::ModelSpec;
use surrealdb::types::{Object, RecordId, SurrealValue, Value};
use uuid::Uuid;

use super::{
    SurrealStore,
    query::{take, variables},
    registry::{row, server_ids},
    rows::datetime,
};
use crate::{
    DalError, RegistryCopy,
    backend::RegistryBackend as _,
    registry_restore::{self, micros},
};

/// Replaces rows, because neither uid nor time of creation can be changed. Models that stay get the new uids of their
/// servers; weights belong to the uid of their model for good.
const RESTORE: &str = "
BEGIN;
LET $leaving = SELECT uid FROM $gone WHERE uid NOT IN $models.uid;
LET $weighted = SELECT VALUE model FROM ModelWeights WHERE model IN $leaving.uid LIMIT 1;
IF $weighted = [] {
    FOR $old IN (SELECT * FROM $gone) {
        DELETE type::record('ModelParams', $old.modelParams) RETURN NONE;
        DELETE $old.id RETURN NONE;
    };
    FOR $new IN $servers {
        LET $before = SELECT * FROM $new.id;
        FOR $old IN $before {
            DELETE type::record('ConnTypeParams', $old.connTypeParams) RETURN NONE;
            DELETE $old.id RETURN NONE;
        };
        LET $row = CREATE ONLY $new.id SET uid = $new.uid, name = $new.name, connType = $new.connType,
            createdAt = $new.createdAt, lastUpdated = $new.lastUpdated;
        CREATE type::record('ConnTypeParams', $row.connTypeParams)
            CONTENT object::extend($new.params, { uid: $row.connTypeParams }) RETURN NONE;
        FOR $old IN $before {
            FOR $user IN (SELECT * FROM AvailableModels WHERE servers CONTAINS $old.uid) {
                UPDATE $user.id SET servers = $user.servers.map(|$uid| IF $uid = $old.uid { $new.uid } ELSE { $uid })
                    RETURN NONE;
            };
        };
    };
    FOR $new IN $models {
        LET $row = CREATE ONLY $new.id SET uid = $new.uid, name = $new.name, servers = $new.servers.uid,
            createdAt = $new.createdAt, lastUpdated = $new.lastUpdated;
        CREATE type::record('ModelParams', $row.modelParams)
            CONTENT object::extend($new.params, { uid: $row.modelParams }) RETURN NONE;
    };
    FOR $link IN $links {
        UPDATE type::record('ConnTypeParams', $link.connTypeParams) SET linked = rand::uuid() RETURN NONE;
    };
};
$weighted;
COMMIT;";

/// Index of the statement that returns a model with weights; then nothing was written.
const WEIGHTED: usize = 4;

impl SurrealStore {
    pub(super) async fn restore_registry(&self, copy: &RegistryCopy) -> Result<(), DalError> {
        const OPERATION: &str = "take over the registry";
        let known = self.models().await?;
        let copy = copy.without(&self.servers().await?, &known);
        if copy.is_empty() {
            return Ok(());
        }
        let (mut servers, mut models) = (Vec::new(), Vec::new());
        for server in &copy.servers {
            let mut row = row("AvailableServers", &server.name, &server.spec.params)?;
            identify(&mut row, &server.uid, server.created_at, server.last_updated)?;
            row.insert("connType", server.spec.conn_type.to_string());
            servers.push(Value::Object(row));
        }
        for model in &copy.models {
            let params = ModelSpec { servers: Vec::new(), ..model.spec.clone() };
            let mut row = row("AvailableModels", &model.name, &params)?;
            identify(&mut row, &model.uid, model.created_at, model.last_updated)?;
            row.insert("servers", server_ids(model.spec.servers.iter().map(String::as_str)));
            models.push(Value::Object(row));
        }
        let gone = copy.dropped.iter().chain(copy.models.iter().map(|model| &model.name));
        let gone: Vec<Value> = gone.map(|name| RecordId::new("AvailableModels", name.as_str()).into_value()).collect();
        self.mark_changed();
        let rows = variables([
            ("gone", gone.into_value()),
            ("servers", servers.into_value()),
            ("models", models.into_value()),
            ("links", server_ids(copy.links()).into_value()),
        ]);
        let mut results = self.write(OPERATION, RESTORE, rows).await?;
        if let Some(uid) = take::<Uuid>(&mut results, WEIGHTED, "ModelWeights")?.first() {
            let uid = uid.to_string();
            let model = known.into_iter().find(|model| model.uid == uid).map(|model| model.name);
            return Err(DalError::HasWeights { model: model.unwrap_or(uid) });
        }
        if self.writes_may_be_ignored() && !copy.without(&self.servers().await?, &self.models().await?).is_empty() {
            return Err(self.ignored(OPERATION));
        }
        Ok(())
    }
}

/// Adds uid and times to a row.
fn identify(row: &mut Object, uid: &str, created: Timestamp, updated: Timestamp) -> Result<(), DalError> {
    row.insert("uid", registry_restore::uid(uid)?.into_value());
    row.insert("createdAt", datetime(micros(created))?.into_value());
    row.insert("lastUpdated", datetime(micros(updated))?.into_value());
    Ok(())
}
