//! Versions of weights.

use mer_core::{Access, Model, WeightsVersion};
use surrealdb::types::{Object, SurrealValue, Value};
use uuid::Uuid;

use super::{
    rows::VersionRow,
    values::{NAMED, NO_MODEL, NO_UPLOAD, NO_VERSION, lengths, number, of_model, record_of, threw, version_id},
};
use crate::{
    DalError, NewVersion,
    backend::VersionBackend,
    surreal::{
        SurrealStore,
        access::replacement,
        detached::{COLLECTED, detached_id},
        query::{take, variables},
    },
    weights::{model_uid, names_by_uid, version_in_use},
};

const COMMIT: &str = "
BEGIN;
LET $gone = DELETE $upload RETURN BEFORE;
IF $gone = [] { THROW 'mer:no-upload' };
IF (SELECT VALUE uid FROM $modelId) != [$model] { THROW 'mer:no-model' };
LET $mine = IF $run = NONE { [true] } ELSE { (DELETE $run WHERE collector = $collector RETURN BEFORE) };
IF $mine = [] { THROW 'mer:collected' };
LET $counter = UPSERT ONLY $counterId SET model = $model, last = (last ?? 0) + 1, changes = (changes ?? 0) + 1;
LET $version = $counter.last;
CREATE type::record('ModelWeights', [$model, $version]) CONTENT object::extend($new, { version: $version });
IF $made != NONE AND (SELECT VALUE status FROM ONLY $made.id) IN [NONE, 'started', 'lost'] {
    UPSERT $made.id CONTENT object::extend($made.content, { weightsVersion: $version }) RETURN NONE;
};
FOR $name IN array::distinct($names) {
    LET $row = UPSERT ONLY type::record('ModelWeightAliases', [$model, $name])
        SET model = $model, name = $name, version = $version, moves = (moves ?? 0) + 1;
    CREATE type::record('ModelWeightAliasMoves', [$model, $name, $row.moves]) SET model = $model, name = $name,
        number = $row.moves, version = $version, movedAt = time::now(), caller = $caller, requestUid = $request;
};
COMMIT;";

const OF_PAYLOAD: &str = "SELECT * FROM ModelWeights WHERE payload = $payload;";

const VERSIONS: &str = "SELECT * FROM ModelWeights WHERE model = $model ORDER BY version DESC;";

const NEWEST: &str = "SELECT * FROM ModelWeights ORDER BY createdAt DESC LIMIT $limit;";

const VERSION: &str = "SELECT * FROM $id;";

const MENTION: &str =
    "SELECT VALUE requestUid FROM ModelAccess WHERE model = $name AND weightsVersion = $version LIMIT 1;";

const REMOVE: &str = "
BEGIN;
UPSERT $counterId SET model = $model, last = (last ?? 0), changes = (changes ?? 0) + 1 RETURN NONE;
LET $named = SELECT VALUE name FROM ModelWeightAliases WHERE model = $model AND version = $version;
IF $named != [] AND !$force { THROW 'mer:named ' + array::join($named, ', ') };
LET $gone = DELETE $id RETURN BEFORE;
IF $gone = [] { THROW 'mer:no-version' };
FOR $name IN $named {
    LET $row = UPDATE ONLY type::record('ModelWeightAliases', [$model, $name]) SET version = NONE, moves = moves + 1;
    CREATE type::record('ModelWeightAliasMoves', [$model, $name, $row.moves]) SET model = $model, name = $name,
        number = $row.moves, version = NONE, movedAt = time::now(), caller = $caller;
};
COMMIT;";

impl VersionBackend for SurrealStore {
    async fn commit_upload(
        &self,
        model: &Model,
        upload: Uuid,
        new: &NewVersion,
        bytes: u64,
        sha256: &str,
    ) -> Result<WeightsVersion, DalError> {
        const OPERATION: &str = "add a version of weights";
        let uid = model_uid(model)?;
        self.mark_changed();
        let mut values = of_model(model)?;
        values.insert("upload", record_of("ModelWeightUploads", upload));
        values.insert("new", content(uid, upload, new, bytes, sha256));
        values.insert("made", access_row(new, sha256)?);
        values.insert("names", new.aliases.clone());
        values.insert("caller", new.caller.clone());
        values.insert("request", new.access.as_ref().map(|access| access.request_uid));
        let run = new.access.as_ref().map(|access| access.key()).zip(new.collector);
        values.insert("run", run.map(|(key, _)| detached_id(key)).into_value());
        values.insert("collector", new.collector.into_value());
        // If the upload is gone, the transaction may have been committed before over a connection that was lost.
        let gone = match self.write_or_throw(OPERATION, COMMIT, values).await? {
            Ok(()) => false,
            Err(failure) if threw(&failure.error, NO_UPLOAD) => true,
            Err(failure) if threw(&failure.error, COLLECTED) => {
                let request = run.map(|(key, _)| key.request_uid).unwrap_or_default();
                return Err(DalError::Collected { request });
            }
            Err(failure) if threw(&failure.error, NO_MODEL) => {
                return Err(DalError::ModelGone { model: model.name.clone() });
            }
            Err(failure) => return Err(self.failed(OPERATION, *failure.error)),
        };
        let mut results = self.run(OPERATION, OF_PAYLOAD, variables([("payload", upload.into_value())])).await?;
        let rows: Vec<VersionRow> = take(&mut results, 0, "ModelWeights")?;
        match rows.into_iter().next() {
            Some(row) => row.version(&model.name),
            None if gone && !self.writes_may_be_ignored() => Err(DalError::UploadGone { model: model.name.clone() }),
            None => Err(self.ignored(OPERATION)),
        }
    }

    async fn versions(&self, model: &Model) -> Result<Vec<WeightsVersion>, DalError> {
        let values = variables([("model", model_uid(model)?.into_value())]);
        let mut results = self.run("list the versions of weights", VERSIONS, values).await?;
        let rows: Vec<VersionRow> = take(&mut results, 0, "ModelWeights")?;
        rows.into_iter().map(|row| row.version(&model.name)).collect()
    }

    async fn version(&self, model: &Model, version: u64) -> Result<Option<WeightsVersion>, DalError> {
        let id = version_id(model_uid(model)?, version);
        let mut results = self.run("find the version of weights", VERSION, variables([("id", id)])).await?;
        let rows: Vec<VersionRow> = take(&mut results, 0, "ModelWeights")?;
        rows.into_iter().next().map(|row| row.version(&model.name)).transpose()
    }

    async fn is_in_log(&self, model: &Model, version: u64) -> Result<bool, DalError> {
        let values = variables([("name", model.name.clone().into_value()), ("version", number(version))]);
        let mut results = self.run("look for the version in the log", MENTION, values).await?;
        Ok(!take::<Uuid>(&mut results, 0, "ModelAccess")?.is_empty())
    }

    async fn remove_version(&self, model: &Model, version: u64, force: bool, caller: &str) -> Result<(), DalError> {
        const OPERATION: &str = "remove a version of weights";
        let uid = model_uid(model)?;
        self.mark_changed();
        let values = variables([
            ("id", version_id(uid, version)),
            ("counterId", record_of("ModelWeightCounters", uid)),
            ("model", uid.into_value()),
            ("version", number(version)),
            ("force", force.into_value()),
            ("caller", caller.to_owned().into_value()),
        ]);
        let none = || DalError::NoVersion { model: model.name.clone(), version };
        match self.write_or_throw(OPERATION, REMOVE, values).await? {
            // Without the right to delete, nothing is deleted either.
            Err(failure) if threw(&failure.error, NO_VERSION) => {
                let kept = self.writes_may_be_ignored() && self.version(model, version).await?.is_some();
                Err(if kept { self.ignored(OPERATION) } else { none() })
            }
            Err(failure) if threw(&failure.error, NAMED) => {
                let names = failure.error.message().split_once(NAMED).map_or("", |(_, names)| names.trim());
                let names: Vec<String> = names.split(", ").map(str::to_owned).collect();
                Err(version_in_use(model, version, &names, false))
            }
            Err(failure) => Err(self.failed(OPERATION, *failure.error)),
            Ok(()) if self.writes_may_be_ignored() && self.version(model, version).await?.is_some() => {
                Err(self.ignored(OPERATION))
            }
            Ok(()) => Ok(()),
        }
    }
}

impl SurrealStore {
    /// Returns the newest versions of all these models together.
    pub(crate) async fn newest_versions(&self, models: &[Model], limit: u32) -> Result<Vec<WeightsVersion>, DalError> {
        let names = names_by_uid(models)?;
        let values = variables([("limit", i64::from(limit).into_value())]);
        let mut results = self.run("list the newest versions of weights", NEWEST, values).await?;
        let rows: Vec<VersionRow> = take(&mut results, 0, "ModelWeights")?;
        let known = rows.into_iter().filter_map(|row| names.get(&row.model).map(|name| row.version(name)));
        known.collect()
    }
}

fn content(model: Uuid, payload: Uuid, new: &NewVersion, bytes: u64, sha256: &str) -> Value {
    let mut row = Object::new();
    row.insert("model", model.into_value());
    row.insert("format", new.format.name().to_owned());
    row.insert("dtype", new.dtype.name().to_owned());
    row.insert("shape", lengths(new.shape.as_deref()));
    row.insert("bytes", number(bytes));
    row.insert("sha256", sha256.to_owned());
    row.insert("parentVersion", new.parent.map(number).into_value());
    row.insert("requestUid", new.access.as_ref().map(|access| access.request_uid).into_value());
    row.insert("attempt", new.access.as_ref().map(|access| i64::from(access.attempt)).into_value());
    row.insert("note", new.note.clone().into_value());
    row.insert("payload", payload.into_value());
    Value::Object(row)
}

/// Returns the end of the access that made the version, without the version's number.
fn access_row(new: &NewVersion, sha256: &str) -> Result<Option<Value>, DalError> {
    let Some(access) = &new.access else { return Ok(None) };
    let access = Access { weights_sha256: Some(sha256.to_owned()), ..(**access).clone() };
    replacement(&access, &[]).map(Some)
}
