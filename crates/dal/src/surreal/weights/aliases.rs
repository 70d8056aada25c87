//! Aliases and their history.

use std::collections::HashMap;

use mer_core::{Alias, AliasMove, Model, WeightsVersion};
use surrealdb::types::{SurrealValue, Value};
use uuid::Uuid;

use super::{
    rows::{AliasRow, MoveRow, VersionRow},
    values::{NO_VERSION, number, record_of, threw, version_id},
};
use crate::{
    DalError,
    backend::AliasBackend,
    surreal::{
        SurrealStore,
        query::{take, variables},
    },
    weights::{model_uid, names_by_uid},
};

const ALIASES: &str = "
SELECT model, name, version FROM ModelWeightAliases WHERE model IN $models AND version != NONE ORDER BY model, name;";

const VERSIONS: &str = "SELECT * FROM $ids;";

/// Every transaction that adds a version writes a counter.
const SEEN: &str = "SELECT VALUE model FROM ModelWeightCounters LIMIT 1; SELECT VALUE model FROM ModelWeights LIMIT 1;";

const MOVES: &str = "SELECT * FROM ModelWeightAliasMoves WHERE model = $model AND ($name = NONE OR name = $name) \
                     ORDER BY movedAt DESC, name, number DESC;";

/// Records no move if the alias already names that version.
const MOVE: &str = "
BEGIN;
UPSERT $counterId SET model = $model, last = (last ?? 0), changes = (changes ?? 0) + 1 RETURN NONE;
IF $version != NONE AND (SELECT VALUE version FROM $id) = [] { THROW 'mer:no-version' };
LET $row = type::record('ModelWeightAliases', [$model, $name]);
LET $before = SELECT VALUE version FROM ONLY $row;
IF $before != $version {
    LET $after = UPSERT ONLY $row SET model = $model, name = $name, version = $version, moves = (moves ?? 0) + 1;
    CREATE type::record('ModelWeightAliasMoves', [$model, $name, $after.moves]) SET model = $model, name = $name,
        number = $after.moves, version = $version, movedAt = time::now(), caller = $caller, requestUid = $request;
};
COMMIT;";

impl SurrealStore {
    /// Checks that nothing was found because nothing exists: to a user without PERMISSIONS the server shows empty
    /// tables, and a model would run without its weights.
    async fn check_reading(&self, operation: &'static str) -> Result<(), DalError> {
        if !self.writes_may_be_ignored() {
            return Ok(());
        }
        let mut results = self.run(operation, SEEN, variables([])).await?;
        let counters: Vec<Uuid> = take(&mut results, 0, "ModelWeightCounters")?;
        let versions: Vec<Uuid> = take(&mut results, 1, "ModelWeights")?;
        if counters.is_empty() && !versions.is_empty() { Err(self.hidden(operation)) } else { Ok(()) }
    }
}

impl AliasBackend for SurrealStore {
    async fn named_versions(&self, models: &[Model]) -> Result<Vec<(Alias, WeightsVersion)>, DalError> {
        const OPERATION: &str = "list the aliases of weights";
        let names = names_by_uid(models)?;
        let uids: Vec<Uuid> = names.keys().copied().collect();
        let mut results = self.run(OPERATION, ALIASES, variables([("models", uids.into_value())])).await?;
        let aliases: Vec<AliasRow> = take(&mut results, 0, "ModelWeightAliases")?;
        if aliases.is_empty() {
            self.check_reading(OPERATION).await?;
            return Ok(Vec::new());
        }
        let key = |row: &AliasRow| (row.model, row.version.unwrap_or(0).cast_unsigned());
        let mut ids: Vec<(Uuid, u64)> = aliases.iter().map(key).collect();
        ids.sort_unstable();
        ids.dedup();
        let ids: Vec<Value> = ids.into_iter().map(|(model, version)| version_id(model, version)).collect();
        let mut results = self.run(OPERATION, VERSIONS, variables([("ids", ids.into_value())])).await?;
        let mut versions: HashMap<(Uuid, u64), WeightsVersion> = HashMap::new();
        for row in take::<VersionRow>(&mut results, 0, "ModelWeights")? {
            let model = row.model;
            let version = row.version(names.get(&model).copied().unwrap_or_default())?;
            versions.insert((model, version.version), version);
        }
        let mut named: Vec<(Alias, WeightsVersion)> = aliases
            .into_iter()
            .filter_map(|row| {
                let version = versions.get(&key(&row))?.clone();
                let alias = Alias { model: version.model.clone(), name: row.name, version: version.version };
                Some((alias, version))
            })
            .collect();
        named.sort_by(|(a, _), (b, _)| (&a.model, &a.name).cmp(&(&b.model, &b.name)));
        Ok(named)
    }

    async fn alias_moves(&self, model: &Model, name: Option<&str>) -> Result<Vec<AliasMove>, DalError> {
        let values =
            variables([("model", model_uid(model)?.into_value()), ("name", name.map(str::to_owned).into_value())]);
        let mut results = self.run("read the history of aliases", MOVES, values).await?;
        let rows: Vec<MoveRow> = take(&mut results, 0, "ModelWeightAliasMoves")?;
        rows.into_iter().map(|row| row.alias_move(&model.name)).collect()
    }

    async fn move_alias(
        &self,
        model: &Model,
        name: &str,
        version: Option<u64>,
        caller: &str,
        request: Option<Uuid>,
    ) -> Result<(), DalError> {
        const OPERATION: &str = "move an alias of weights";
        let uid = model_uid(model)?;
        self.mark_changed();
        let values = variables([
            ("counterId", record_of("ModelWeightCounters", uid)),
            ("model", uid.into_value()),
            ("id", version_id(uid, version.unwrap_or(0))),
            ("name", name.to_owned().into_value()),
            ("version", version.map(number).into_value()),
            ("caller", caller.to_owned().into_value()),
            ("request", request.into_value()),
        ]);
        match self.write_or_throw(OPERATION, MOVE, values).await? {
            Err(failure) if threw(&failure.error, NO_VERSION) => {
                Err(DalError::NoVersion { model: model.name.clone(), version: version.unwrap_or(0) })
            }
            Err(failure) => Err(self.failed(OPERATION, *failure.error)),
            Ok(()) if self.writes_may_be_ignored() => {
                let named = self.named_versions(std::slice::from_ref(model)).await?;
                let now = named.iter().find(|(alias, _)| alias.name == name).map(|(alias, _)| alias.version);
                if now == version { Ok(()) } else { Err(self.ignored(OPERATION)) }
            }
            Ok(()) => Ok(()),
        }
    }
}
