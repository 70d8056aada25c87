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
use crate::{DalError, registry_change, retry};

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

/// A server that does not exist leaves a gap in the array, which the table's check refuses.
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

/// Nobody else changes the registry until the end of the transaction; everybody may read it.
pub(super) const HOLD: &str = r#"LOCK TABLE "AvailableServers", "AvailableModels" IN SHARE ROW EXCLUSIVE MODE"#;

/// Whether any row is not any more what was read.
const CHANGED_SERVERS: &str = r#"
SELECT 1 FROM unnest($1::text[], $2::timestamptz[]) AS read(name, updated)
LEFT JOIN "AvailableServers" s ON s."name" = read.name WHERE s."lastUpdated" IS DISTINCT FROM read.updated LIMIT 1"#;

const CHANGED_MODELS: &str = r#"
SELECT 1 FROM unnest($1::text[], $2::timestamptz[]) AS read(name, updated)
LEFT JOIN "AvailableModels" m ON m."name" = read.name WHERE m."lastUpdated" IS DISTINCT FROM read.updated LIMIT 1"#;

/// Taken before models are written: whoever removes a server waits until they are there, and sees them.
const HOLD_SERVERS: &str = r#"
SELECT 1 FROM "AvailableServers" WHERE "name" = ANY($1) ORDER BY "name" FOR KEY SHARE"#;

/// Columns of rows to be written: name, the part with a schema, the part without, and when what is there was changed.
#[derive(Debug, Default)]
struct Changes {
    names: Vec<String>,
    fixed: Vec<String>,
    params: Vec<String>,
    updated: Vec<Option<Time>>,
}

impl PostgresStore {
    pub(super) async fn read_servers(&self) -> Result<Vec<Server>, DalError> {
        let rows: Vec<PgRow> = call!(self.server(), "list the servers", |connection| self
            .query(SERVERS)
            .fetch_all(&mut *connection)
            .await);
        rows.iter().map(rows::server).collect()
    }

    pub(super) async fn read_server(&self, name: &str) -> Result<Option<Server>, DalError> {
        let row: Option<PgRow> = call!(self.server(), "find the server", |connection| {
            self.query(SERVER).bind(name).fetch_optional(&mut *connection).await
        });
        row.as_ref().map(rows::server).transpose()
    }

    pub(super) async fn read_models(&self) -> Result<Vec<Model>, DalError> {
        // The names after the models: a model that is seen has its servers.
        let (models, names): (Vec<PgRow>, Vec<PgRow>) = call!(self.server(), "list the models", |connection| {
            let models = self.query(MODELS).fetch_all(&mut *connection).await?;
            Ok((models, self.query(NAMES).fetch_all(&mut *connection).await?))
        });
        let names = server_names(&names)?;
        models.iter().map(|row| rows::model(row, |uid| names.get(&uid).cloned())).collect()
    }

    pub(super) async fn read_model(&self, name: &str) -> Result<Option<Model>, DalError> {
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

    /// The rows of an object that did not change are left alone, so that `lastUpdated` tells the truth.
    pub(super) async fn write_registry(&self, registry: &Registry, seen: Option<&Registry>) -> Result<(), DalError> {
        // What is read here may change until it is written: then it is looked at again, whether that matters.
        for _ in 0..retry::TRIES {
            if self.try_registry(registry, seen).await? {
                return Ok(());
            }
        }
        let source = "what was read had changed each time before it could be written".into();
        Err(DalError::Conflict { operation: "change the registry", tries: retry::TRIES, source })
    }

    async fn try_registry(&self, registry: &Registry, seen: Option<&Registry>) -> Result<bool, DalError> {
        let mut servers = Changes::default();
        for write in registry_change::servers(registry, &self.read_servers().await?, seen)? {
            let params = params_text(&write.spec.params)?;
            servers.add(write.name, write.spec.conn_type.to_string(), params, write.updated);
        }
        let mut models = Changes::default();
        let mut links: BTreeSet<&str> = BTreeSet::new();
        for write in registry_change::models(registry, &self.read_models().await?, seen)? {
            // The names of the servers are links, not parameters.
            let params = params_text(&ModelSpec { servers: Vec::new(), ..write.spec.clone() })?;
            models.add(write.name, params_text(&write.spec.servers)?, params, write.updated);
            links.extend(write.spec.servers.iter().map(String::as_str));
        }
        if servers.names.is_empty() && models.names.is_empty() {
            return Ok(true);
        }
        let links: Vec<&str> = links.into_iter().collect();
        Ok(call!(self.server(), "change the registry", true, |connection| {
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
        }))
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
