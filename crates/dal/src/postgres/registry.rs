//! Servers and models.

use std::collections::{BTreeSet, HashMap};

use mer_core::{Model, ModelSpec, Registry, Server};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::{
    PostgresStore,
    call::call,
    rows::{self, get, params_text},
    types::Id,
};
use crate::DalError;

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

/// Taken before models are written: whoever removes a server waits until they are there, and sees them.
const HOLD_SERVERS: &str = r#"
SELECT 1 FROM "AvailableServers" WHERE "name" = ANY($1) ORDER BY "name" FOR KEY SHARE"#;

/// Three columns of rows to be written: name, the part with a schema, the part without.
#[derive(Debug, Default)]
struct Changes {
    names: Vec<String>,
    fixed: Vec<String>,
    params: Vec<String>,
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
    pub(super) async fn write_registry(&self, registry: &Registry) -> Result<(), DalError> {
        let mut servers = Changes::default();
        let known: HashMap<_, _> = self.read_servers().await?.into_iter().map(|s| (s.name, s.spec)).collect();
        for (name, spec) in &registry.servers {
            if known.get(name) != Some(spec) {
                servers.add(name, spec.conn_type.to_string(), params_text(&spec.params)?);
            }
        }
        let mut models = Changes::default();
        let mut links: BTreeSet<&str> = BTreeSet::new();
        let known: HashMap<_, _> = self.read_models().await?.into_iter().map(|m| (m.name, m.spec)).collect();
        for (name, spec) in &registry.models {
            if known.get(name) != Some(spec) {
                // The names of the servers are links, not parameters.
                let params = params_text(&ModelSpec { servers: Vec::new(), ..spec.clone() })?;
                models.add(name, params_text(&spec.servers)?, params);
                links.extend(spec.servers.iter().map(String::as_str));
            }
        }
        if servers.names.is_empty() && models.names.is_empty() {
            return Ok(());
        }
        let links: Vec<&str> = links.into_iter().collect();
        call!(self.server(), "change the registry", true, |connection| {
            for (statement, changes) in [(APPLY_SERVERS, &servers), (APPLY_MODELS, &models)] {
                if statement == APPLY_MODELS && !links.is_empty() {
                    self.query(HOLD_SERVERS).bind(&links).execute(&mut *connection).await?;
                }
                if !changes.names.is_empty() {
                    let query = self.query(statement).bind(&changes.names).bind(&changes.fixed).bind(&changes.params);
                    query.execute(&mut *connection).await?;
                }
            }
            Ok(())
        });
        Ok(())
    }
}

impl Changes {
    fn add(&mut self, name: &str, fixed: String, params: String) {
        self.names.push(name.to_owned());
        self.fixed.push(fixed);
        self.params.push(params);
    }
}

fn server_names(rows: &[PgRow]) -> Result<HashMap<Uuid, String>, DalError> {
    const TABLE: &str = "AvailableServers";
    rows.iter().map(|row| Ok((get::<Id>(TABLE, row, "uid")?.0, get(TABLE, row, "name")?))).collect()
}
