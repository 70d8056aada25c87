//! Models and servers that go.

use surrealdb::types::{RecordId, SurrealValue};
use uuid::Uuid;

use super::{
    SurrealStore,
    store::{take, variables},
};
use crate::DalError;

/// The counter of its weights is written, so that whoever adds a version meanwhile has to begin again, and finds no model.
const MODEL: &str = "
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

const SERVER: &str = "
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

/// Which statement of both says why nothing was done.
const REASON: usize = 4;

impl SurrealStore {
    pub(super) async fn delete_model(&self, name: &str) -> Result<(), DalError> {
        const OPERATION: &str = "remove the model";
        self.mark_changed();
        let id = variables([("id", RecordId::new("AvailableModels", name).into_value())]);
        let mut results = self.write_and_answer(OPERATION, MODEL, id).await?;
        if !take::<Uuid>(&mut results, REASON, "ModelWeights")?.is_empty() {
            return Err(DalError::HasWeights { model: name.to_owned() });
        }
        if self.writes_may_be_ignored() && self.read_model(name).await?.is_some() {
            return Err(self.ignored(OPERATION));
        }
        Ok(())
    }

    pub(super) async fn delete_server(&self, name: &str) -> Result<Vec<String>, DalError> {
        const OPERATION: &str = "remove the server";
        self.mark_changed();
        let id = variables([("id", RecordId::new("AvailableServers", name).into_value())]);
        let mut results = self.write_and_answer(OPERATION, SERVER, id).await?;
        let mut users: Vec<String> = take(&mut results, REASON, "AvailableModels")?;
        users.sort_unstable();
        if users.is_empty() && self.writes_may_be_ignored() && self.read_server(name).await?.is_some() {
            return Err(self.ignored(OPERATION));
        }
        Ok(users)
    }
}
