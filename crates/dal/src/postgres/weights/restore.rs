//! Restores versions and aliases of another database.

use mer_core::{AliasMove, Model, WeightsVersion};
use sqlx::{Row as _, postgres::PgRow};
use uuid::Uuid;

use super::{
    rows::lengths,
    statements::{DELETE_UPLOAD, MODEL_EXISTS},
};
use crate::{
    DalError,
    backend::RestoreBackend,
    postgres::{
        PostgresStore,
        call::call,
        rows::{count, get, text},
        wire_types::{Id, Time},
    },
    registry_restore::micros,
    weights::model_uid,
};

const LAST: &str = r#"SELECT "last" FROM "ModelWeightCounters" WHERE "model" = $1"#;

const COUNTER: &str = r#"
INSERT INTO "ModelWeightCounters" AS known ("model", "last", "changes") VALUES ($1, $2, 1)
ON CONFLICT ("model") DO UPDATE SET "last" = greatest(known."last", EXCLUDED."last"), "changes" = known."changes" + 1"#;

const INSERT: &str = r#"
INSERT INTO "ModelWeights" ("model", "version", "format", "dtype", "shape", "bytes", "sha256", "parentVersion",
    "requestUid", "attempt", "note", "payload", "createdAt")
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT ("model", "version") DO NOTHING"#;

const THERE: &str = r#"SELECT "sha256" FROM "ModelWeights" WHERE "model" = $1 AND "version" = $2"#;

/// Adds a move only if it is later than the existing moves of its alias.
const MOVE: &str = r#"
WITH moved AS (
    INSERT INTO "ModelWeightAliases" AS known ("model", "name", "version", "moves") VALUES ($1, $2, $4, $3)
    ON CONFLICT ("model", "name") DO UPDATE SET "version" = EXCLUDED."version", "moves" = EXCLUDED."moves"
    WHERE known."moves" < EXCLUDED."moves"
    RETURNING "model", "name", "moves", "version"
)
INSERT INTO "ModelWeightAliasMoves" ("model", "name", "number", "version", "movedAt", "caller", "requestUid")
SELECT "model", "name", "moves", "version", $5, $6, $7 FROM moved"#;

/// Outcome of restoring a version.
enum Restored {
    Done,
    NoModel,
    NoUpload,
    Other,
}

impl RestoreBackend for PostgresStore {
    async fn last_version(&self, model: &Model) -> Result<u64, DalError> {
        let uid = model_uid(model)?;
        let row: Option<PgRow> = call!(self.server(), "read the last number of weights", |connection| {
            self.query(LAST).bind(Id(uid)).fetch_optional(&mut *connection).await
        });
        row.map_or(Ok(0), |row| get::<i64>("ModelWeightCounters", &row, "last").map(i64::cast_unsigned))
    }

    async fn restore_version(&self, model: &Model, upload: Uuid, version: &WeightsVersion) -> Result<(), DalError> {
        let uid = model_uid(model)?;
        let number = count(version.version);
        let shape = version.shape.as_deref().map(lengths);
        let restored: Restored = call!(self.server(), "take over a version of weights", true, |connection| {
            let uploads = self.query(DELETE_UPLOAD).bind(Id(upload)).execute(&mut *connection).await?.rows_affected();
            self.query(COUNTER).bind(Id(uid)).bind(number).execute(&mut *connection).await?;
            if self.query(MODEL_EXISTS).bind(Id(uid)).fetch_optional(&mut *connection).await?.is_none() {
                return Ok(Restored::NoModel);
            }
            if uploads > 0 {
                self.query(INSERT)
                    .bind(Id(uid))
                    .bind(number)
                    .bind(version.format.name())
                    .bind(version.dtype.name())
                    .bind(&shape)
                    .bind(count(version.bytes))
                    .bind(&version.sha256)
                    .bind(version.parent_version.map(count))
                    .bind(version.request_uid.map(Id))
                    .bind(version.attempt.map(i64::from))
                    .bind(version.note.as_deref().map(text))
                    .bind(Id(upload))
                    .bind(Time(micros(version.created_at)))
                    .execute(&mut *connection)
                    .await?;
            }
            let there = self.query(THERE).bind(Id(uid)).bind(number).fetch_optional(&mut *connection).await?;
            let there = there.map(|row| row.try_get::<String, _>("sha256")).transpose()?;
            Ok(match there {
                Some(sha256) if sha256 == version.sha256 => Restored::Done,
                Some(_) => Restored::Other,
                None => Restored::NoUpload,
            })
        });
        let model = model.name.clone();
        match restored {
            Restored::Done => Ok(()),
            Restored::NoModel => Err(DalError::ModelGone { model }),
            Restored::NoUpload => Err(DalError::UploadGone { model }),
            Restored::Other => Err(DalError::OtherVersion { model, version: version.version }),
        }
    }

    async fn restore_aliases(&self, model: &Model, last: u64, moves: &[AliasMove]) -> Result<(), DalError> {
        let uid = model_uid(model)?;
        let mut sorted: Vec<&AliasMove> = moves.iter().collect();
        sorted.sort_by_key(|moved| (&moved.name, moved.number));
        let there: bool = call!(self.server(), "take over the aliases of weights", true, |connection| {
            self.query(COUNTER).bind(Id(uid)).bind(count(last)).execute(&mut *connection).await?;
            if self.query(MODEL_EXISTS).bind(Id(uid)).fetch_optional(&mut *connection).await?.is_none() {
                return Ok(false);
            }
            for moved in &sorted {
                self.query(MOVE)
                    .bind(Id(uid))
                    .bind(&moved.name)
                    .bind(count(moved.number))
                    .bind(moved.version.map(count))
                    .bind(Time(micros(moved.moved_at)))
                    .bind(text(&moved.caller))
                    .bind(moved.request_uid.map(Id))
                    .execute(&mut *connection)
                    .await?;
            }
            Ok(true)
        });
        if there { Ok(()) } else { Err(DalError::ModelGone { model: model.name.clone() }) }
    }
}
