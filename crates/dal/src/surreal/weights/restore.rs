//! Restores versions and aliases of another database.

use mer_core::{AliasMove, Model, WeightsVersion};
use surrealdb::types::{Object, SurrealValue, Value};
use uuid::Uuid;

use super::values::{NO_MODEL, NO_UPLOAD, OTHER, lengths, number, of_model, record_of, threw, version_id};
use crate::{
    DalError,
    backend::{RestoreBackend, VersionBackend as _},
    registry_restore::micros,
    surreal::{
        SurrealStore,
        query::{take, variables},
        rows::datetime,
    },
    weights::model_uid,
};

const LAST: &str = "SELECT VALUE last FROM $counterId;";

/// An existing version with the same bytes is the same version.
const VERSION: &str = "
BEGIN;
LET $gone = DELETE $upload RETURN BEFORE;
IF $gone = [] { THROW 'mer:no-upload' };
IF (SELECT VALUE uid FROM $modelId) != [$model] { THROW 'mer:no-model' };
UPSERT $counterId SET model = $model, last = math::max([last ?? 0, $version]), changes = (changes ?? 0) + 1 RETURN NONE;
LET $there = SELECT VALUE sha256 FROM $id;
IF $there = [] { CREATE $id CONTENT $new RETURN NONE };
IF $there != [] AND $there != [$sha256] { THROW 'mer:other-version' };
COMMIT;";

const ALIASES: &str = "
BEGIN;
IF (SELECT VALUE uid FROM $modelId) != [$model] { THROW 'mer:no-model' };
UPSERT $counterId SET model = $model, last = math::max([last ?? 0, $last]), changes = (changes ?? 0) + 1 RETURN NONE;
FOR $move IN $moves {
    LET $row = type::record('ModelWeightAliases', [$model, $move.name]);
    LET $known = (SELECT VALUE moves FROM ONLY $row) ?? 0;
    IF $move.number > $known {
        UPSERT $row SET model = $model, name = $move.name, version = $move.version, moves = $move.number RETURN NONE;
        CREATE type::record('ModelWeightAliasMoves', [$model, $move.name, $move.number]) CONTENT $move RETURN NONE;
    };
};
COMMIT;";

impl RestoreBackend for SurrealStore {
    async fn last_version(&self, model: &Model) -> Result<u64, DalError> {
        let values = variables([("counterId", record_of("ModelWeightCounters", model_uid(model)?))]);
        let mut results = self.run("read the last number of weights", LAST, values).await?;
        let last: Vec<i64> = take(&mut results, 0, "ModelWeightCounters")?;
        Ok(last.first().copied().unwrap_or(0).cast_unsigned())
    }

    async fn restore_version(&self, model: &Model, upload: Uuid, version: &WeightsVersion) -> Result<(), DalError> {
        const OPERATION: &str = "take over a version of weights";
        let uid = model_uid(model)?;
        self.mark_changed();
        let mut values = of_model(model)?;
        values.insert("upload", record_of("ModelWeightUploads", upload));
        values.insert("id", version_id(uid, version.version));
        values.insert("version", number(version.version));
        values.insert("sha256", version.sha256.clone());
        values.insert("new", content(uid, upload, version)?);
        let gone = match self.write_or_throw(OPERATION, VERSION, values).await? {
            Ok(()) => false,
            // The transaction may have been committed before over a connection that was lost.
            Err(failure) if threw(&failure.error, NO_UPLOAD) => true,
            Err(failure) if threw(&failure.error, NO_MODEL) => {
                return Err(DalError::ModelGone { model: model.name.clone() });
            }
            Err(failure) if threw(&failure.error, OTHER) => {
                return Err(DalError::OtherVersion { model: model.name.clone(), version: version.version });
            }
            Err(failure) => return Err(self.failed(OPERATION, *failure.error)),
        };
        if !gone && !self.writes_may_be_ignored() {
            return Ok(());
        }
        match self.version(model, version.version).await? {
            Some(there) if there.sha256 == version.sha256 => Ok(()),
            _ if self.writes_may_be_ignored() => Err(self.ignored(OPERATION)),
            _ => Err(DalError::UploadGone { model: model.name.clone() }),
        }
    }

    async fn restore_aliases(&self, model: &Model, last: u64, moves: &[AliasMove]) -> Result<(), DalError> {
        const OPERATION: &str = "take over the aliases of weights";
        let uid = model_uid(model)?;
        self.mark_changed();
        let mut sorted: Vec<&AliasMove> = moves.iter().collect();
        sorted.sort_by_key(|moved| (&moved.name, moved.number));
        let rows = sorted.into_iter().map(|moved| move_row(uid, moved)).collect::<Result<Vec<Value>, _>>()?;
        let mut values = of_model(model)?;
        values.insert("last", number(last));
        values.insert("moves", rows);
        match self.write_or_throw(OPERATION, ALIASES, values).await? {
            Err(failure) if threw(&failure.error, NO_MODEL) => Err(DalError::ModelGone { model: model.name.clone() }),
            Err(failure) => Err(self.failed(OPERATION, *failure.error)),
            Ok(()) if self.writes_may_be_ignored() && self.last_version(model).await? < last => {
                Err(self.ignored(OPERATION))
            }
            Ok(()) => Ok(()),
        }
    }
}

fn move_row(model: Uuid, moved: &AliasMove) -> Result<Value, DalError> {
    let mut row = Object::new();
    row.insert("model", model.into_value());
    row.insert("name", moved.name.clone());
    row.insert("number", number(moved.number));
    row.insert("version", moved.version.map(number).into_value());
    row.insert("movedAt", datetime(micros(moved.moved_at))?.into_value());
    row.insert("caller", moved.caller.clone());
    row.insert("requestUid", moved.request_uid.into_value());
    Ok(Value::Object(row))
}

fn content(model: Uuid, payload: Uuid, version: &WeightsVersion) -> Result<Value, DalError> {
    let mut row = Object::new();
    row.insert("model", model.into_value());
    row.insert("version", number(version.version));
    row.insert("format", version.format.name().to_owned());
    row.insert("dtype", version.dtype.name().to_owned());
    row.insert("shape", lengths(version.shape.as_deref()));
    row.insert("bytes", number(version.bytes));
    row.insert("sha256", version.sha256.clone());
    row.insert("parentVersion", version.parent_version.map(number).into_value());
    row.insert("requestUid", version.request_uid.into_value());
    row.insert("attempt", version.attempt.map(i64::from).into_value());
    row.insert("note", version.note.clone().into_value());
    row.insert("createdAt", datetime(micros(version.created_at))?.into_value());
    row.insert("payload", payload.into_value());
    Ok(Value::Object(row))
}
