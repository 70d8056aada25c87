//! Versions.

use mer_core::{Access, Model, WeightsVersion};
use sqlx::{Row as _, postgres::PgRow};
use uuid::Uuid;

use super::{aliases::ALIAS, rows};
use crate::{
    DalError, NewVersion,
    postgres::{
        PostgresStore,
        call::call,
        rows::{count, text},
        wire_types::Id,
    },
    weights::{in_use, model_uid},
};

pub(super) const UPLOAD: &str = r#"DELETE FROM "ModelWeightUploads" WHERE "uid" = $1"#;

const NUMBER: &str = r#"
INSERT INTO "ModelWeightCounters" AS known ("model", "last", "changes") VALUES ($1, 1, 1)
ON CONFLICT ("model") DO UPDATE SET "last" = known."last" + 1, "changes" = known."changes" + 1
RETURNING "last""#;

/// Whoever changes versions or aliases of a model waits here for others who do.
pub(super) const CHANGE: &str = r#"
INSERT INTO "ModelWeightCounters" AS known ("model", "changes") VALUES ($1, 1)
ON CONFLICT ("model") DO UPDATE SET "changes" = known."changes" + 1"#;

const INSERT: &str = r#"
INSERT INTO "ModelWeights" ("model", "version", "format", "dtype", "shape", "bytes", "sha256", "parentVersion",
    "requestUid", "attempt", "note", "payload")
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING *"#;

/// Asked once the counter is held: whoever removes a model holds it too.
pub(super) const MODEL: &str = r#"SELECT 1 FROM "AvailableModels" WHERE "uid" = $1"#;

const OF_PAYLOAD: &str = r#"SELECT * FROM "ModelWeights" WHERE "payload" = $1"#;

const VERSIONS: &str = r#"SELECT * FROM "ModelWeights" WHERE "model" = $1 ORDER BY "version" DESC"#;

const VERSION: &str = r#"SELECT * FROM "ModelWeights" WHERE "model" = $1 AND "version" = $2"#;

const MENTION: &str = r#"
SELECT 1 FROM "ModelAccess" WHERE left("model", 200) = left($1, 200) AND "model" = $1 AND "weightsVersion" = $2 LIMIT 1"#;

const NAMES: &str = r#"SELECT "name" FROM "ModelWeightAliases" WHERE "model" = $1 AND "version" = $2 ORDER BY "name""#;

const REMOVE: &str = r#"DELETE FROM "ModelWeights" WHERE "model" = $1 AND "version" = $2"#;

/// What came of a try to remove a version.
enum Removed {
    Done,
    NoVersion,
    Named(Vec<String>),
}

impl PostgresStore {
    pub(super) async fn write_version(
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
        let row: Option<Option<PgRow>> = call!(self.server(), "add a version of weights", true, |connection| {
            if self.query(UPLOAD).bind(Id(upload)).execute(&mut *connection).await?.rows_affected() == 0 {
                // This may have been done already, over a connection that was lost.
                self.query(OF_PAYLOAD).bind(Id(upload)).fetch_optional(&mut *connection).await.map(Some)
            } else {
                let counter = self.query(NUMBER).bind(Id(uid)).fetch_one(&mut *connection).await?;
                let number: i64 = counter.try_get("last")?;
                if self.query(MODEL).bind(Id(uid)).fetch_optional(&mut *connection).await?.is_none() {
                    return Ok(None);
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
                    self.record(&[&access]).execute(&mut *connection).await?;
                }
                for name in &new.aliases {
                    self.query(ALIAS)
                        .bind(Id(uid))
                        .bind(name)
                        .bind(number)
                        .bind(text(&new.caller))
                        .bind(request.map(Id))
                        .execute(&mut *connection)
                        .await?;
                }
                Ok(Some(Some(row)))
            }
        });
        match row {
            Some(Some(row)) => rows::version(&row, &model.name),
            None => Err(DalError::ModelGone { model: model.name.clone() }),
            Some(None) => Err(DalError::UploadGone { model: model.name.clone() }),
        }
    }

    pub(super) async fn read_versions(&self, model: &Model) -> Result<Vec<WeightsVersion>, DalError> {
        let uid = model_uid(model)?;
        let rows: Vec<PgRow> = call!(self.server(), "list the versions of weights", |connection| {
            self.query(VERSIONS).bind(Id(uid)).fetch_all(&mut *connection).await
        });
        rows.iter().map(|row| rows::version(row, &model.name)).collect()
    }

    pub(super) async fn read_version(&self, model: &Model, version: u64) -> Result<Option<WeightsVersion>, DalError> {
        let uid = model_uid(model)?;
        let row: Option<PgRow> = call!(self.server(), "find the version of weights", |connection| {
            self.query(VERSION).bind(Id(uid)).bind(count(version)).fetch_optional(&mut *connection).await
        });
        row.map(|row| rows::version(&row, &model.name)).transpose()
    }

    pub(super) async fn read_mention(&self, model: &Model, version: u64) -> Result<bool, DalError> {
        let row: Option<PgRow> = call!(self.server(), "look for the version in the log", |connection| {
            self.query(MENTION).bind(text(&model.name)).bind(count(version)).fetch_optional(&mut *connection).await
        });
        Ok(row.is_some())
    }

    pub(super) async fn delete_version(
        &self,
        model: &Model,
        version: u64,
        force: bool,
        caller: &str,
    ) -> Result<(), DalError> {
        let uid = model_uid(model)?;
        let removed: Removed = call!(self.server(), "remove a version of weights", true, |connection| {
            self.query(CHANGE).bind(Id(uid)).execute(&mut *connection).await?;
            let named = self.query(NAMES).bind(Id(uid)).bind(count(version)).fetch_all(&mut *connection).await?;
            let names = named.iter().map(|row| row.try_get("name")).collect::<Result<Vec<String>, _>>()?;
            if !force && !names.is_empty() {
                Ok(Removed::Named(names))
            } else {
                for name in &names {
                    self.query(ALIAS)
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
            Removed::Named(names) => Err(in_use(model, version, &names, false)),
        }
    }
}
