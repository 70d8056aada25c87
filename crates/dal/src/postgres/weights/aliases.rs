//! Aliases and their history.

use mer_core::{Alias, AliasMove, Model, WeightsVersion};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::{
    rows,
    statements::{COUNT_CHANGE, MOVE_ALIAS},
};
use crate::{
    DalError,
    backend::AliasBackend,
    postgres::{
        PostgresStore,
        call::call,
        rows::{count, get, text},
        wire_types::Id,
    },
    weights::{model_uid, names_by_uid},
};

const EXISTS: &str = r#"SELECT 1 FROM "ModelWeights" WHERE "model" = $1 AND "version" = $2"#;

const NAMED: &str = r#"
SELECT a."name" AS "alias", v.* FROM "ModelWeightAliases" a
JOIN "ModelWeights" v ON v."model" = a."model" AND v."version" = a."version"
WHERE a."model" = ANY($1)"#;

const MOVES: &str = r#"
SELECT * FROM "ModelWeightAliasMoves" WHERE "model" = $1 AND ($2::text IS NULL OR "name" = $2)
ORDER BY "movedAt" DESC, "name", "number" DESC"#;

impl AliasBackend for PostgresStore {
    async fn named_versions(&self, models: &[Model]) -> Result<Vec<(Alias, WeightsVersion)>, DalError> {
        let names = names_by_uid(models)?;
        let uids: Vec<Id> = names.keys().copied().map(Id).collect();
        let found: Vec<PgRow> = call!(self.server(), "list the aliases of weights", |connection| {
            self.query(NAMED).bind(&uids).fetch_all(&mut *connection).await
        });
        let mut named = Vec::with_capacity(found.len());
        for row in &found {
            let model = get::<Id>("ModelWeights", row, "model")?.0;
            let version = rows::version(row, names.get(&model).copied().unwrap_or_default())?;
            let name = get("ModelWeightAliases", row, "alias")?;
            named.push((Alias { model: version.model.clone(), name, version: version.version }, version));
        }
        named.sort_by(|(a, _), (b, _)| (&a.model, &a.name).cmp(&(&b.model, &b.name)));
        Ok(named)
    }

    async fn alias_moves(&self, model: &Model, name: Option<&str>) -> Result<Vec<AliasMove>, DalError> {
        let uid = model_uid(model)?;
        let found: Vec<PgRow> = call!(self.server(), "read the history of aliases", |connection| {
            self.query(MOVES).bind(Id(uid)).bind(name).fetch_all(&mut *connection).await
        });
        found.iter().map(|row| rows::alias_move(row, &model.name)).collect()
    }

    async fn move_alias(
        &self,
        model: &Model,
        name: &str,
        version: Option<u64>,
        caller: &str,
        request: Option<Uuid>,
    ) -> Result<(), DalError> {
        let uid = model_uid(model)?;
        let number = version.map(count);
        let there: bool = call!(self.server(), "move an alias of weights", true, |connection| {
            self.query(COUNT_CHANGE).bind(Id(uid)).execute(&mut *connection).await?;
            let there = match number {
                None => true,
                Some(number) => {
                    let found = self.query(EXISTS).bind(Id(uid)).bind(number).fetch_optional(&mut *connection).await?;
                    found.is_some()
                }
            };
            if there {
                self.query(MOVE_ALIAS)
                    .bind(Id(uid))
                    .bind(name)
                    .bind(number)
                    .bind(text(caller))
                    .bind(request.map(Id))
                    .execute(&mut *connection)
                    .await?;
            }
            Ok(there)
        });
        match version {
            Some(version) if !there => Err(DalError::NoVersion { model: model.name.clone(), version }),
            _ => Ok(()),
        }
    }
}
