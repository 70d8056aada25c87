//! Versions of weights.

use mer_core::{Access, Model, WeightsVersion};
use sqlx::{Row as _, postgres::PgRow};
use uuid::Uuid;

use super::{
    rows,
    statements::{COUNT_CHANGE, DELETE_UPLOAD, MODEL_EXISTS, MOVE_ALIAS},
};
use crate::{
    DalError, NewVersion,
    backend::VersionBackend,
    postgres::{
        PostgresStore,
        call::call,
        rows::{count, text},
        wire_types::Id,
    },
    weights::{model_uid, version_in_use},
};

const NUMBER: &str = r#"
INSERT INTO "ModelWeightCounters" AS known ("model", "last", "changes") VALUES ($1, 1, 1)
ON CONFLICT ("model") DO UPDATE SET "last" = known."last" + 1, "changes" = known."changes" + 1
RETURNING "last""#;

const INSERT: &str = r#"
INSERT INTO "ModelWeights" ("model", "version", "format", "dtype", "shape", "bytes", "sha256", "parentVersion",
    "requestUid", "attempt", "note", "payload")
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING *"#;

const OF_PAYLOAD: &str = r#"SELECT * FROM "ModelWeights" WHERE "payload" = $1"#;

const VERSIONS: &str = r#"SELECT * FROM "ModelWeights" WHERE "model" = $1 ORDER BY "version" DESC"#;

const VERSION: &str = r#"SELECT * FROM "ModelWeights" WHERE "model" = $1 AND "version" = $2"#;

const MENTION: &str = r#"
SELECT 1 FROM "ModelAccess" WHERE left("model", 200) = left($1, 200) AND "model" = $1 AND "weightsVersion" = $2 LIMIT 1"#;

const NAMES: &str = r#"SELECT "name" FROM "ModelWeightAliases" WHERE "model" = $1 AND "version" = $2 ORDER BY "name""#;

const REMOVE: &str = r#"DELETE FROM "ModelWeights" WHERE "model" = $1 AND "version" = $2"#;

/// Outcome of turning an upload into a version.
enum Committed {
    Version(PgRow),
    NoUpload,
    NoModel,
    Collected,
}

/// Outcome of removing a version.
enum Removed {
    Done,
    NoVersion,
    Named(Vec<String>),
}

impl VersionBackend for PostgresStore {
    async fn commit_upload(
        &self,
        model: &Model,
        upload: Uuid,
        new: &NewVersion,
        bytes: u64,
        sha256: &str,
    ) -> Result<WeightsVersion, DalError> {
        let uid = model_uid(model)?;
        let shape = new.shape.as_deref().map(rows::lengths);
        let request = new.access.as_ref().map(|access| access.request_uid);
        let run = new.access.as_ref().map(|access| access.key()).zip(new.collector);
        let committed: Committed = call!(self.server(), "add a version of weights", true, |connection| {
            if self.query(DELETE_UPLOAD).bind(Id(upload)).execute(&mut *connection).await?.rows_affected() == 0 {
                // The transaction may have been committed before over a connection that was lost.
                let row = self.query(OF_PAYLOAD).bind(Id(upload)).fetch_optional(&mut *connection).await?;
                Ok(row.map_or(Committed::NoUpload, Committed::Version))
            } else {
                if let Some((key, collector)) = run
                    && self.remove_detached(key, collector).execute(&mut *connection).await?.rows_affected() == 0
                {
                    return Ok(Committed::Collected);
                }
                let counter = self.query(NUMBER).bind(Id(uid)).fetch_one(&mut *connection).await?;
                let number: i64 = counter.try_get("last")?;
                if self.query(MODEL_EXISTS).bind(Id(uid)).fetch_optional(&mut *connection).await?.is_none() {
                    return Ok(Committed::NoModel);
                }
                let row = self
                    .query(INSERT)
                    .bind(Id(uid))
                    .bind(number)
                    .bind(new.format.name())
                    .bind(new.dtype.name())
                    .bind(&shape)
                    .bind(count(bytes))
                    .bind(sha256)
                    .bind(new.parent.map(count))
                    .bind(request.map(Id))
                    .bind(new.access.as_ref().map(|access| i64::from(access.attempt)))
                    .bind(new.note.as_deref().map(text))
                    .bind(Id(upload))
                    .fetch_one(&mut *connection)
                    .await?;
                if let Some(access) = &new.access {
                    let (version, hash) = (Some(number.cast_unsigned()), Some(sha256.to_owned()));
                    let access = Access { weights_version: version, weights_sha256: hash, ..(**access).clone() };
                    self.insert_accesses(&[&access]).execute(&mut *connection).await?;
                }
                for name in &new.aliases {
                    self.query(MOVE_ALIAS)
                        .bind(Id(uid))
                        .bind(name)
                        .bind(number)
                        .bind(text(&new.caller))
                        .bind(request.map(Id))
                        .execute(&mut *connection)
                        .await?;
                }
                Ok(Committed::Version(row))
            }
        });
        match committed {
            Committed::Version(row) => rows::version(&row, &model.name),
            Committed::NoModel => Err(DalError::ModelGone { model: model.name.clone() }),
            Committed::NoUpload => Err(DalError::UploadGone { model: model.name.clone() }),
            Committed::Collected => Err(DalError::Collected { request: request.unwrap_or_default() }),
        }
    }

    async fn versions(&self, model: &Model) -> Result<Vec<WeightsVersion>, DalError> {
        let uid = model_uid(model)?;
        let rows: Vec<PgRow> = call!(self.server(), "list the versions of weights", |connection| {
            self.query(VERSIONS).bind(Id(uid)).fetch_all(&mut *connection).await
        });
        rows.iter().map(|row| rows::version(row, &model.name)).collect()
    }

    async fn version(&self, model: &Model, version: u64) -> Result<Option<WeightsVersion>, DalError> {
        let uid = model_uid(model)?;
        let row: Option<PgRow> = call!(self.server(), "find the version of weights", |connection| {
            self.query(VERSION).bind(Id(uid)).bind(count(version)).fetch_optional(&mut *connection).await
        });
        row.map(|row| rows::version(&row, &model.name)).transpose()
    }

    async fn is_in_log(&self, model: &Model, version: u64) -> Result<bool, DalError> {
        let row: Option<PgRow> = call!(self.server(), "look for the version in the log", |connection| {
            self.query(MENTION).bind(text(&model.name)).bind(count(version)).fetch_optional(&mut *connection).await
        });
        Ok(row.is_some())
    }

    async fn remove_version(&self, model: &Model, version: u64, force: bool, caller: &str) -> Result<(), DalError> {
        let uid = model_uid(model)?;
        let removed: Removed = call!(self.server(), "remove a version of weights", true, |connection| {
            self.query(COUNT_CHANGE).bind(Id(uid)).execute(&mut *connection).await?;
            let named = self.query(NAMES).bind(Id(uid)).bind(count(version)).fetch_all(&mut *connection).await?;
            let names = named.iter().map(|row| row.try_get("name")).collect::<Result<Vec<String>, _>>()?;
            if !force && !names.is_empty() {
                Ok(Removed::Named(names))
            } else {
                for name in &names {
                    self.query(MOVE_ALIAS)
                        .bind(Id(uid))
                        .bind(name)
                        .bind(None::<i64>)
                        .bind(text(caller))
                        .bind(None::<Id>)
                        .execute(&mut *connection)
                        .await?;
                }
                let gone = self.query(REMOVE).bind(Id(uid)).bind(count(version)).execute(&mut *connection).await?;
                Ok(if gone.rows_affected() == 0 { Removed::NoVersion } else { Removed::Done })
            }
        });
        match removed {
            Removed::Done => Ok(()),
            Removed::NoVersion => Err(DalError::NoVersion { model: model.name.clone(), version }),
            Removed::Named(names) => Err(version_in_use(model, version, &names, false)),
        }
    }
}
