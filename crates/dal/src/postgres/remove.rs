//! Models and servers that go.

use sqlx::postgres::PgRow;

use super::{PostgresStore, call::call, rows::get, wire_types::Id};
use crate::DalError;

/// Models of these names, with their parameters.
pub(super) const MODELS: &str = r#"
WITH gone AS (DELETE FROM "AvailableModels" WHERE "name" = ANY($1) RETURNING "modelParams")
DELETE FROM "ModelParams" WHERE "uid" IN (SELECT "modelParams" FROM gone)"#;

/// Whoever adds a version to the model meanwhile waits, and then finds no model; see the writing of versions.
const HOLD_WEIGHTS: &str = r#"
INSERT INTO "ModelWeightCounters" AS known ("model", "changes") SELECT "uid", 1 FROM "AvailableModels" WHERE "name" = $1
ON CONFLICT ("model") DO UPDATE SET "changes" = known."changes" + 1"#;

/// What is kept of weights for a model that has none. The rest of its uploads is cleared away later.
const OF_WEIGHTS: [&str; 4] = [
    r#"DELETE FROM "ModelWeightUploads" WHERE "model" IN (SELECT "uid" FROM "AvailableModels" WHERE "name" = $1)"#,
    r#"DELETE FROM "ModelWeightAliasMoves" WHERE "model" IN (SELECT "uid" FROM "AvailableModels" WHERE "name" = $1)"#,
    r#"DELETE FROM "ModelWeightAliases" WHERE "model" IN (SELECT "uid" FROM "AvailableModels" WHERE "name" = $1)"#,
    r#"DELETE FROM "ModelWeightCounters" WHERE "model" IN (SELECT "uid" FROM "AvailableModels" WHERE "name" = $1)"#,
];

const WEIGHTED: &str = r#"
SELECT 1 FROM "AvailableModels" m WHERE m."name" = $1
AND EXISTS (SELECT 1 FROM "ModelWeights" w WHERE w."model" = m."uid")"#;

/// Held until the end of the transaction: whoever writes a model that names the server waits for it, see the writing of
/// the registry; and what they wrote before is seen by the next statement.
const HOLD: &str = r#"SELECT "uid" FROM "AvailableServers" WHERE "name" = $1 FOR UPDATE"#;

const USERS: &str = r#"SELECT "name" FROM "AvailableModels" WHERE $1 = ANY("servers") ORDER BY "name""#;

const SERVER: &str = r#"
WITH gone AS (DELETE FROM "AvailableServers" WHERE "uid" = $1 RETURNING "connTypeParams")
DELETE FROM "ConnTypeParams" WHERE "uid" IN (SELECT "connTypeParams" FROM gone)"#;

impl PostgresStore {
    pub(super) async fn delete_model(&self, name: &str) -> Result<(), DalError> {
        let weighted: bool = call!(self.server(), "remove the model", true, |connection| {
            self.query(HOLD_WEIGHTS).bind(name).execute(&mut *connection).await?;
            if self.query(WEIGHTED).bind(name).fetch_optional(&mut *connection).await?.is_some() {
                return Ok(true);
            }
            for statement in OF_WEIGHTS {
                self.query(statement).bind(name).execute(&mut *connection).await?;
            }
            self.query(MODELS).bind(vec![name]).execute(&mut *connection).await.map(|_| false)
        });
        if weighted { Err(DalError::HasWeights { model: name.to_owned() }) } else { Ok(()) }
    }

    pub(super) async fn delete_server(&self, name: &str) -> Result<Vec<String>, DalError> {
        let users: Vec<PgRow> = call!(self.server(), "remove the server", true, |connection| {
            let Some(row) = self.query(HOLD).bind(name).fetch_optional(&mut *connection).await? else {
                return Ok(Vec::new());
            };
            let uid: Id = sqlx::Row::try_get(&row, "uid")?;
            let users = self.query(USERS).bind(uid).fetch_all(&mut *connection).await?;
            if users.is_empty() {
                self.query(SERVER).bind(uid).execute(&mut *connection).await?;
            }
            Ok(users)
        });
        users.iter().map(|row| get("AvailableModels", row, "name")).collect()
    }
}
