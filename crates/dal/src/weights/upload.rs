//! Weights on their way in.

use bytes::{Bytes, BytesMut};
use mer_core::{Model, WeightsVersion};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Chunk, NewVersion, WeightsBackend as _, backend::hex, turn::Turn};
use crate::{DalError, Database, store::ask};

/// What weights are cut into.
const CHUNK: usize = 1 << 20;

/// How many chunks go into one transaction.
const BATCH: usize = 4;

/// A payload on its way in. Dropped, or after an error, it leaves nothing that can be seen.
#[derive(Debug)]
pub struct Upload {
    turn: Turn,
    model: Model,
    /// Made with the first batch.
    uid: Option<Uuid>,
    rest: BytesMut,
    batch: Vec<Chunk>,
    parts: u64,
    bytes: u64,
    hash: Sha256,
}

impl Upload {
    /// A payload for the next version of a model. Touches nothing yet.
    #[must_use]
    pub fn new(database: &Database, model: &Model) -> Self {
        Self {
            turn: Turn::new(database),
            model: model.clone(),
            uid: None,
            rest: BytesMut::new(),
            batch: Vec::with_capacity(BATCH),
            parts: 0,
            bytes: 0,
            hash: Sha256::new(),
        }
    }

    /// How many bytes it has so far.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Waits for something else, such as the next bytes. The database is given back where that takes time.
    ///
    /// # Errors
    /// As [`crate::Session::close`].
    pub async fn waiting<T>(&mut self, other: impl Future<Output = T>) -> Result<T, DalError> {
        self.turn.waiting(other).await
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`DalError::UploadGone`] where it was silent for so long that it was cleared away; otherwise as
    /// [`Database::session`] and [`crate::Store::apply`].
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), DalError> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            if self.rest.is_empty() {
                self.rest.reserve(CHUNK);
            }
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.rest.len()));
            self.rest.extend_from_slice(now);
            bytes = later;
            if self.rest.len() == CHUNK {
                let chunk = self.rest.split().freeze();
                self.add(chunk).await?;
            }
        }
        Ok(())
    }

    async fn add(&mut self, chunk: Bytes) -> Result<(), DalError> {
        self.batch.push(Chunk::new(chunk));
        if self.batch.len() == BATCH { self.flush().await } else { Ok(()) }
    }

    /// The upload, which is made where it is not there yet.
    async fn uid(&mut self) -> Result<Uuid, DalError> {
        if let Some(uid) = self.uid {
            return Ok(uid);
        }
        let model = model_uid(&self.model)?;
        let session = self.turn.session().await?;
        let uid = ask!(session, backend => backend.begin_upload(model))?;
        self.uid = Some(uid);
        Ok(uid)
    }

    async fn flush(&mut self) -> Result<(), DalError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let uid = self.uid().await?;
        let session = self.turn.session().await?;
        ask!(session, backend => backend.put_parts(&self.model, uid, self.parts, &self.batch))?;
        self.parts += self.batch.len() as u64;
        self.batch.clear();
        Ok(())
    }

    /// Makes it the next version: version, access and aliases in one step.
    ///
    /// # Errors
    /// As [`Upload::write`].
    pub async fn finish(mut self, new: &NewVersion) -> Result<WeightsVersion, DalError> {
        if !self.rest.is_empty() {
            let last = self.rest.split().freeze();
            self.add(last).await?;
        }
        self.flush().await?;
        let uid = self.uid().await?;
        let sha256 = hex(&std::mem::take(&mut self.hash).finalize());
        let session = self.turn.session().await?;
        let version = ask!(session, backend => backend.commit_upload(&self.model, uid, new, self.bytes, &sha256))?;
        self.turn.close().await?;
        Ok(version)
    }

    /// Takes it back.
    ///
    /// # Errors
    /// As [`Upload::write`]. What is left then is cleared away later.
    pub async fn abort(mut self) -> Result<(), DalError> {
        if let Some(uid) = self.uid {
            let session = self.turn.session().await?;
            ask!(session, backend => backend.abort_upload(uid))?;
        }
        self.turn.close().await
    }
}

/// The uid by which rows name a model.
pub(crate) fn model_uid(model: &Model) -> Result<Uuid, DalError> {
    let wrong = |error| DalError::Row { table: "AvailableModels", reason: format!("`{}`: {error}", model.uid) };
    Uuid::try_parse(&model.uid).map_err(wrong)
}
