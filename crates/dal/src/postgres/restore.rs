//! Restores a registry of another database, with its uids and times.

use mer_core::ModelSpec;
use sqlx::{
    Postgres,
    postgres::{PgArguments, PgRow},
    query::Query,
};

use super::{
    PostgresStore,
    call::call,
    registry,
    rows::{get, params_text},
    wire_types::{Id, Time},
};
use crate::{
    DalError, RegistryCopy,
    backend::RegistryBackend as _,
    registry_restore::{micros, uid},
};

/// Models name their servers by uid, so the new uids are written into them.
const RELINK: &str = r#"
UPDATE "AvailableModels" AS m SET "servers" = ARRAY(
    SELECT COALESCE(new.uid, link.uid) FROM unnest(m."servers") WITH ORDINALITY AS link(uid, place)
    LEFT JOIN "AvailableServers" s ON s."uid" = link.uid
    LEFT JOIN unnest($1::text[], $2::uuid[]) AS new(name, uid) ON new.name = s."name" ORDER BY link.place)
WHERE m."servers" && ARRAY(SELECT s."uid" FROM "AvailableServers" s WHERE s."name" = ANY($1))"#;

const DROP_SERVERS: &str = r#"
WITH gone AS (DELETE FROM "AvailableServers" WHERE "name" = ANY($1) RETURNING "connTypeParams")
DELETE FROM "ConnTypeParams" WHERE "uid" IN (SELECT "connTypeParams" FROM gone)"#;

const SERVERS: &str = r#"
WITH new AS MATERIALIZED (
    SELECT row.*, gen_random_uuid() AS link
    FROM unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[])
        AS row(name, uid, created, updated, params, "connType")
), linked AS (
    INSERT INTO "ConnTypeParams" ("uid", "params") SELECT link, params::jsonb FROM new
)
INSERT INTO "AvailableServers" ("uid", "name", "connType", "createdAt", "lastUpdated", "connTypeParams")
SELECT uid, name, "connType", created, updated, link FROM new"#;

/// Finds a model with weights that would be removed or get another uid: weights belong to the uid of their model for
/// good.
const WEIGHTED: &str = r#"
SELECT m."name" FROM "AvailableModels" m
WHERE m."name" = ANY($1) AND m."uid" <> ALL($2)
    AND EXISTS (SELECT 1 FROM "ModelWeights" w WHERE w."model" = m."uid") LIMIT 1"#;

/// A server that does not exist leaves a NULL in the array, which the table's check refuses.
const MODELS: &str = r#"
WITH new AS MATERIALIZED (
    SELECT row.*, gen_random_uuid() AS link
    FROM unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[])
        AS row(name, uid, created, updated, params, servers)
), linked AS (
    INSERT INTO "ModelParams" ("uid", "params") SELECT link, params::jsonb FROM new
)
INSERT INTO "AvailableModels" ("uid", "name", "servers", "createdAt", "lastUpdated", "modelParams")
SELECT uid, name, ARRAY(
    SELECT s."uid" FROM jsonb_array_elements_text(new.servers::jsonb) WITH ORDINALITY AS named(server, place)
    LEFT JOIN "AvailableServers" s ON s."name" = named.server ORDER BY named.place), created, updated, link
FROM new"#;

/// Columns of the rows to write.
#[derive(Debug, Default)]
struct Columns {
    names: Vec<String>,
    uids: Vec<Id>,
    created: Vec<Time>,
    updated: Vec<Time>,
    params: Vec<String>,
    /// Connection type of a server, or the names of a model's servers.
    own: Vec<String>,
}

impl PostgresStore {
    pub(super) async fn restore_registry(&self, copy: &RegistryCopy) -> Result<(), DalError> {
        let copy = copy.without(&self.servers().await?, &self.models().await?);
        if copy.is_empty() {
            return Ok(());
        }
        let (mut servers, mut models) = (Columns::default(), Columns::default());
        for server in &copy.servers {
            servers.names.push(server.name.clone());
            servers.uids.push(Id(uid(&server.uid)?));
            servers.created.push(Time(micros(server.created_at)));
            servers.updated.push(Time(micros(server.last_updated)));
            servers.params.push(params_text(&server.spec.params)?);
            servers.own.push(server.spec.conn_type.to_string());
        }
        for model in &copy.models {
            models.names.push(model.name.clone());
            models.uids.push(Id(uid(&model.uid)?));
            models.created.push(Time(micros(model.created_at)));
            models.updated.push(Time(micros(model.last_updated)));
            models.params.push(params_text(&ModelSpec { servers: Vec::new(), ..model.spec.clone() })?);
            models.own.push(params_text(&model.spec.servers)?);
        }
        let gone: Vec<&String> = copy.dropped.iter().chain(&models.names).collect();
        let weighted: Option<PgRow> = call!(self.server(), "take over the registry", true, |connection| {
            self.query(registry::HOLD).execute(&mut *connection).await?;
            let weighted = self.query(WEIGHTED).bind(&gone).bind(&models.uids);
            if let Some(row) = weighted.fetch_optional(&mut *connection).await? {
                return Ok(Some(row));
            }
            self.query(RELINK).bind(&servers.names).bind(&servers.uids).execute(&mut *connection).await?;
            self.query(DROP_SERVERS).bind(&servers.names).execute(&mut *connection).await?;
            self.rows(SERVERS, &servers).execute(&mut *connection).await?;
            self.query(registry::REMOVE_MODELS).bind(&gone).execute(&mut *connection).await?;
            self.rows(MODELS, &models).execute(&mut *connection).await?;
            Ok(None)
        });
        match weighted {
            Some(row) => Err(DalError::HasWeights { model: get("AvailableModels", &row, "name")? }),
            None => Ok(()),
        }
    }

    fn rows<'q>(&self, text: &'static str, rows: &'q Columns) -> Query<'q, Postgres, PgArguments> {
        let query = self.query(text).bind(&rows.names).bind(&rows.uids).bind(&rows.created).bind(&rows.updated);
        query.bind(&rows.params).bind(&rows.own)
    }
}
