//! Servers and models.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use mer_core::{Model, ModelSpec, Registry, Server};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::{
    PostgresStore,
    call::call,
    rows::{self, get, params_text},
    wire_types::{Id, Time},
};
use crate::{
    DalError, RegistryCopy,
    backend::RegistryBackend,
    registry_change,
    retry::{Attempt, until_written},
};

const SERVERS: &str = r#"
SELECT s.*, p."params"::text AS "params"
FROM "AvailableServers" s LEFT JOIN "ConnTypeParams" p ON p."uid" = s."connTypeParams"
ORDER BY s."name""#;

const SERVER: &str = r#"
SELECT s.*, p."params"::text AS "params"
FROM "AvailableServers" s LEFT JOIN "ConnTypeParams" p ON p."uid" = s."connTypeParams"
WHERE s."name" = $1"#;

const MODELS: &str = r#"
SELECT m.*, p."params"::text AS "params"
FROM "AvailableModels" m LEFT JOIN "ModelParams" p ON p."uid" = m."modelParams"
ORDER BY m."name""#;

const MODEL: &str = r#"
SELECT m.*, p."params"::text AS "params"
FROM "AvailableModels" m LEFT JOIN "ModelParams" p ON p."uid" = m."modelParams"
WHERE m."name" = $1"#;

const APPLY_OPERATION: &str = "change the registry";

/// The conflict of [`APPLY_OPERATION`] with another writer.
const CHANGED: &str = "what was read had changed each time before it could be written";

const NAMES: &str = r#"SELECT "uid", "name" FROM "AvailableServers""#;

const APPLY_SERVERS: &str = r#"
WITH new AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS row(name, "connType", params)
), kept AS (
    INSERT INTO "AvailableServers" ("name", "connType") SELECT name, "connType" FROM new
    ON CONFLICT ("name") DO UPDATE SET "connType" = EXCLUDED."connType", "lastUpdated" = clock_timestamp()
    RETURNING "name", "connTypeParams"
)
INSERT INTO "ConnTypeParams" ("uid", "params")
SELECT kept."connTypeParams", new.params::jsonb FROM kept JOIN new ON new.name = kept."name"
ON CONFLICT ("uid") DO UPDATE SET "params" = EXCLUDED."params""#;

/// A server that does not exist leaves a NULL in the array, which the table's check refuses.
const APPLY_MODELS: &str = r#"
WITH new AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS row(name, servers, params)
), kept AS (
    INSERT INTO "AvailableModels" ("name", "servers")
    SELECT name, ARRAY(
        SELECT s."uid" FROM jsonb_array_elements_text(new.servers::jsonb) WITH ORDINALITY AS named(server, place)
        LEFT JOIN "AvailableServers" s ON s."name" = named.server ORDER BY named.place)
    FROM new
    ON CONFLICT ("name") DO UPDATE SET "servers" = EXCLUDED."servers", "lastUpdated" = clock_timestamp()
    RETURNING "name", "modelParams"
)
INSERT INTO "ModelParams" ("uid", "params")
SELECT kept."modelParams", new.params::jsonb FROM kept JOIN new ON new.name = kept."name"
ON CONFLICT ("uid") DO UPDATE SET "params" = EXCLUDED."params""#;

/// Excludes other writers of the registry until the end of the transaction; reading stays possible.
pub(super) const HOLD: &str = r#"LOCK TABLE "AvailableServers", "AvailableModels" IN SHARE ROW EXCLUSIVE MODE"#;

/// Finds a row that has changed since it was read.
const CHANGED_SERVERS: &str = r#"
SELECT 1 FROM unnest($1::text[], $2::timestamptz[]) AS read(name, updated)
LEFT JOIN "AvailableServers" s ON s."name" = read.name WHERE s."lastUpdated" IS DISTINCT FROM read.updated LIMIT 1"#;

const CHANGED_MODELS: &str = r#"
SELECT 1 FROM unnest($1::text[], $2::timestamptz[]) AS read(name, updated)
LEFT JOIN "AvailableModels" m ON m."name" = read.name WHERE m."lastUpdated" IS DISTINCT FROM read.updated LIMIT 1"#;

/// Locked before models are written: a transaction that removes a server waits until they are written, and sees them.
const HOLD_SERVERS: &str = r#"
SELECT 1 FROM "AvailableServers" WHERE "name" = ANY($1) ORDER BY "name" FOR KEY SHARE"#;

/// Removes the models of these names with their parameters.
pub(super) const REMOVE_MODELS: &str = r#"
WITH gone AS (DELETE FROM "AvailableModels" WHERE "name" = ANY($1) RETURNING "modelParams")
DELETE FROM "ModelParams" WHERE "uid" IN (SELECT "modelParams" FROM gone)"#;

/// A transaction that adds a version to the model meanwhile waits, and then finds no model; see the writing of
/// versions.
const HOLD_WEIGHTS: &str = r#"
INSERT INTO "ModelWeightCounters" AS known ("model", "changes") SELECT "uid", 1 FROM "AvailableModels" WHERE "name" = $1
ON CONFLICT ("model") DO UPDATE SET "changes" = known."changes" + 1"#;

/// Rows about weights that remain for a model without versions. The rest of its uploads is left to garbage collection.
const OF_WEIGHTS: [&str; 4] = [
    r#"DELETE FROM "ModelWeightUploads" WHERE "model" IN (SELECT "uid" FROM "AvailableModels" WHERE "name" = $1)"#,
    r#"DELETE FROM "ModelWeightAliasMoves" WHERE "model" IN (SELECT "uid" FROM "AvailableModels" WHERE "name" = $1)"#,
    r#"DELETE FROM "ModelWeightAliases" WHERE "model" IN (SELECT "uid" FROM "AvailableModels" WHERE "name" = $1)"#,
    r#"DELETE FROM "ModelWeightCounters" WHERE "model" IN (SELECT "uid" FROM "AvailableModels" WHERE "name" = $1)"#,
];

const WEIGHTED: &str = r#"
SELECT 1 FROM "AvailableModels" m WHERE m."name" = $1
AND EXISTS (SELECT 1 FROM "ModelWeights" w WHERE w."model" = m."uid")"#;

/// Locked until the end of the transaction: a transaction that writes a model with this server waits for it, see the
/// writing of the registry; the next statement sees what such transactions wrote before.
const HOLD_SERVER: &str = r#"SELECT "uid" FROM "AvailableServers" WHERE "name" = $1 FOR UPDATE"#;

const USERS: &str = r#"SELECT "name" FROM "AvailableModels" WHERE $1 = ANY("servers") ORDER BY "name""#;

const REMOVE_SERVER: &str = r#"
WITH gone AS (DELETE FROM "AvailableServers" WHERE "uid" = $1 RETURNING "connTypeParams")
DELETE FROM "ConnTypeParams" WHERE "uid" IN (SELECT "connTypeParams" FROM gone)"#;

/// Columns of the rows to write: name, the part with a schema, the part without, and the time of the last change of the
/// existing row.
#[derive(Debug, Default)]
struct Changes {
    names: Vec<String>,
    fixed: Vec<String>,
    params: Vec<String>,
    updated: Vec<Option<Time>>,
}

impl RegistryBackend for PostgresStore {
    async fn servers(&self) -> Result<Vec<Server>, DalError> {
        let rows: Vec<PgRow> = call!(self.server(), "list the servers", |connection| self
            .query(SERVERS)
            .fetch_all(&mut *connection)
            .await);
        rows.iter().map(rows::server).collect()
    }

    async fn server(&self, name: &str) -> Result<Option<Server>, DalError> {
        let row: Option<PgRow> = call!(self.server(), "find the server", |connection| {
            self.query(SERVER).bind(name).fetch_optional(&mut *connection).await
        });
        row.as_ref().map(rows::server).transpose()
    }

    async fn models(&self) -> Result<Vec<Model>, DalError> {
        // Names are read after the models: the servers of every model that was read exist by then.
        let (models, names): (Vec<PgRow>, Vec<PgRow>) = call!(self.server(), "list the models", |connection| {
            let models = self.query(MODELS).fetch_all(&mut *connection).await?;
            Ok((models, self.query(NAMES).fetch_all(&mut *connection).await?))
        });
        let names = server_names(&names)?;
        models.iter().map(|row| rows::model(row, |uid| names.get(&uid).cloned())).collect()
    }

    async fn model(&self, name: &str) -> Result<Option<Model>, DalError> {
        let (model, names): (Option<PgRow>, Vec<PgRow>) = call!(self.server(), "find the model", |connection| {
            let model = self.query(MODEL).bind(name).fetch_optional(&mut *connection).await?;
            let names = match model {
                Some(_) => self.query(NAMES).fetch_all(&mut *connection).await?,
                None => Vec::new(),
            };
            Ok((model, names))
        });
        let names = server_names(&names)?;
        model.as_ref().map(|row| rows::model(row, |uid| names.get(&uid).cloned())).transpose()
    }

    async fn apply(&self, registry: &Registry, seen: Option<&Registry>) -> Result<(), DalError> {
        until_written(APPLY_OPERATION, || self.try_apply(registry, seen)).await
    }

    async fn restore(&self, copy: &RegistryCopy) -> Result<(), DalError> {
        self.restore_registry(copy).await
    }

    async fn remove_model(&self, name: &str) -> Result<(), DalError> {
        let weighted: bool = call!(self.server(), "remove the model", true, |connection| {
            self.query(HOLD_WEIGHTS).bind(name).execute(&mut *connection).await?;
            if self.query(WEIGHTED).bind(name).fetch_optional(&mut *connection).await?.is_some() {
                return Ok(true);
            }
            for statement in OF_WEIGHTS {
                self.query(statement).bind(name).execute(&mut *connection).await?;
            }
            self.query(REMOVE_MODELS).bind(vec![name]).execute(&mut *connection).await.map(|_| false)
        });
        if weighted { Err(DalError::HasWeights { model: name.to_owned() }) } else { Ok(()) }
    }

    async fn remove_server(&self, name: &str) -> Result<Vec<String>, DalError> {
        let users: Vec<PgRow> = call!(self.server(), "remove the server", true, |connection| {
            let Some(row) = self.query(HOLD_SERVER).bind(name).fetch_optional(&mut *connection).await? else {
                return Ok(Vec::new());
            };
            let uid: Id = sqlx::Row::try_get(&row, "uid")?;
            let users = self.query(USERS).bind(uid).fetch_all(&mut *connection).await?;
            if users.is_empty() {
                self.query(REMOVE_SERVER).bind(uid).execute(&mut *connection).await?;
            }
            Ok(users)
        });
        users.iter().map(|row| get("AvailableModels", row, "name")).collect()
    }
}

impl PostgresStore {
    /// Applies a registry once; the inner error says that an object was changed meanwhile. Then everything is read again, to
    /// see whether that matters. The rows of an object that did not change are left alone, so that `lastUpdated` tells the
    /// truth.
    async fn try_apply(&self, registry: &Registry, seen: Option<&Registry>) -> Attempt<()> {
        let mut servers = Changes::default();
        for write in registry_change::servers(registry, &self.servers().await?, seen)? {
            let params = params_text(&write.spec.params)?;
            servers.add(write.name, write.spec.conn_type.to_string(), params, write.updated);
        }
        let mut models = Changes::default();
        let mut links: BTreeSet<&str> = BTreeSet::new();
        for write in registry_change::models(registry, &self.models().await?, seen)? {
            // The names of servers are links, not parameters.
            let params = params_text(&ModelSpec { servers: Vec::new(), ..write.spec.clone() })?;
            models.add(write.name, params_text(&write.spec.servers)?, params, write.updated);
            links.extend(write.spec.servers.iter().map(String::as_str));
        }
        if servers.names.is_empty() && models.names.is_empty() {
            return Ok(Ok(()));
        }
        let links: Vec<&str> = links.into_iter().collect();
        let applied: bool = call!(self.server(), APPLY_OPERATION, true, |connection| {
            if seen.is_some() {
                self.query(HOLD).execute(&mut *connection).await?;
                for (statement, changes) in [(CHANGED_SERVERS, &servers), (CHANGED_MODELS, &models)] {
                    let changed = self.query(statement).bind(&changes.names).bind(&changes.updated);
                    if changed.fetch_optional(&mut *connection).await?.is_some() {
                        return Ok(false);
                    }
                }
            }
            for (statement, changes) in [(APPLY_SERVERS, &servers), (APPLY_MODELS, &models)] {
                if statement == APPLY_MODELS && !links.is_empty() {
                    self.query(HOLD_SERVERS).bind(&links).execute(&mut *connection).await?;
                }
                if !changes.names.is_empty() {
                    let query = self.query(statement).bind(&changes.names).bind(&changes.fixed).bind(&changes.params);
                    query.execute(&mut *connection).await?;
                }
            }
            Ok(true)
        });
        Ok(if applied { Ok(()) } else { Err(CHANGED.into()) })
    }
}

impl Changes {
    fn add(&mut self, name: &str, fixed: String, params: String, updated: Option<Timestamp>) {
        self.names.push(name.to_owned());
        self.fixed.push(fixed);
        self.params.push(params);
        self.updated.push(updated.map(Time));
    }
}

fn server_names(rows: &[PgRow]) -> Result<HashMap<Uuid, String>, DalError> {
    const TABLE: &str = "AvailableServers";
    rows.iter().map(|row| Ok((get::<Id>(TABLE, row, "uid")?.0, get(TABLE, row, "name")?))).collect()
}
