//! Models and servers that go.

use surrealdb::types::{RecordId, SurrealValue};

use super::{
    SurrealStore,
    store::{take, variables},
};
use crate::DalError;

const MODEL: &str = "
BEGIN;
FOR $row IN (SELECT * FROM $id) {
    DELETE type::record('ModelParams', $row.modelParams) RETURN NONE;
    DELETE $row.id RETURN NONE;
};
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

/// Which statement of [`SERVER`] gives the models.
const USERS: usize = 4;

impl SurrealStore {
    pub(super) async fn delete_model(&self, name: &str) -> Result<(), DalError> {
        const OPERATION: &str = "remove the model";
        self.mark_changed();
        let id = variables([("id", RecordId::new("AvailableModels", name).into_value())]);
        self.write(OPERATION, MODEL, id).await?;
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
        let mut users: Vec<String> = take(&mut results, USERS, "AvailableModels")?;
        users.sort_unstable();
        if users.is_empty() && self.writes_may_be_ignored() && self.read_server(name).await?.is_some() {
            return Err(self.ignored(OPERATION));
        }
        Ok(users)
    }
}
