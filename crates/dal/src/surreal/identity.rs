//! The uid of the database.

use uuid::Uuid;

use super::{
    SurrealStore,
    query::{take, variables},
};
use crate::DalError;

const UID: &str = "SELECT VALUE uid FROM DatabaseIdentity:this;";

/// Replaces the row, because the field cannot be changed.
const ADOPT: &str =
    "BEGIN; DELETE DatabaseIdentity:this RETURN NONE; CREATE DatabaseIdentity:this RETURN NONE; COMMIT;";

impl SurrealStore {
    pub(super) async fn read_uid(&self) -> Result<Uuid, DalError> {
        let mut results = self.run("read its uid", UID, variables([])).await?;
        let uids: Vec<Uuid> = take(&mut results, 0, "DatabaseIdentity")?;
        uids.into_iter().next().ok_or_else(|| DalError::NoSchema { database: self.database() })
    }

    pub(super) async fn write_new_uid(&self) -> Result<Uuid, DalError> {
        const OPERATION: &str = "give it a new uid";
        let before = self.read_uid().await?;
        self.mark_changed();
        self.write(OPERATION, ADOPT, variables([])).await?;
        match self.read_uid().await? {
            same if same == before => Err(self.ignored(OPERATION)),
            uid => Ok(uid),
        }
    }
}
