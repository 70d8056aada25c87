//! Uploads of weights.

use std::io;

use bytes::{Bytes, BytesMut};
use mer_core::{Model, WeightsVersion, check_layout};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{
    chunk::Chunk,
    new_version::{NewVersion, model_uid},
};
use crate::{
    DalError, Database, DbUrl,
    backend::{PayloadBackend as _, RestoreBackend as _, VersionBackend as _},
    batch_session::BatchSession,
    embedded::paths,
    store::ask,
};

/// Size of a chunk in bytes.
const CHUNK: usize = 1 << 20;

/// Number of chunks in one transaction.
const BATCH: usize = 4;

/// Bytes on the disk of an embedded database that uploads leave free: as much as they may write between opening and
/// closing the engine.
const LEFT_ALONE: u64 = 64 << 20;

/// An upload of one payload. If it is dropped or fails, it leaves nothing visible.
#[derive(Debug)]
pub struct Upload {
    session: BatchSession,
    model: Model,
    /// Set with the first batch.
    uid: Option<Uuid>,
    /// The beginning of the next chunk.
    rest: BytesMut,
    /// Chunks that are not hashed yet.
    come: Vec<Bytes>,
    /// Chunks that are hashed and not sent yet.
    hashed: Vec<Chunk>,
    /// Number of chunks that were sent.
    parts: u64,
    bytes: u64,
    /// Hash of the chunks that were sent or are hashed.
    hash: Sha256,
}

impl Upload {
    /// Prepares an upload for the next version of a model. Writes nothing yet.
    #[must_use]
    pub fn new(database: &Database, model: &Model) -> Self {
        Self {
            session: BatchSession::for_bulk_writes(database),
            model: model.clone(),
            uid: None,
            rest: BytesMut::new(),
            come: Vec::with_capacity(BATCH),
            hashed: Vec::new(),
            parts: 0,
            bytes: 0,
            hash: Sha256::new(),
        }
    }

    /// Returns the number of bytes so far.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the sha256 of those bytes, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> String {
        let mut hash = self.hash.clone();
        self.come.iter().for_each(|chunk| hash.update(chunk));
        hash.update(&self.rest);
        format!("{:x}", hash.finalize())
    }

    /// Waits for something else, such as the next bytes. Closes the session if that takes time.
    ///
    /// # Errors
    /// As [`crate::Session::close`].
    pub async fn waiting<T>(&mut self, other: impl Future<Output = T>) -> Result<T, DalError> {
        self.session.waiting(other).await
    }

    /// Adds the next bytes.
    ///
    /// # Errors
    /// [`DalError::UploadGone`] if it had no batch for so long that it was deleted; otherwise as [`Database::session`]
    /// and [`crate::Store::apply`].
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), DalError> {
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            if self.rest.is_empty() {
                self.rest.reserve(CHUNK);
            }
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.rest.len()));
            self.rest.extend_from_slice(now);
            bytes = later;
            if self.rest.len() == CHUNK {
                self.come.push(self.rest.split().freeze());
                // The first chunk is sent alone, so that others are hashed meanwhile.
                let is_first = self.parts == 0 && self.hashed.is_empty();
                if self.come.len() == if is_first { 1 } else { BATCH } {
                    self.advance().await?;
                }
            }
        }
        Ok(())
    }

    /// Hashes the new chunks, and sends the ones that were hashed before meanwhile.
    async fn advance(&mut self) -> Result<(), DalError> {
        let (come, mut hash) = (std::mem::take(&mut self.come), self.hash.clone());
        let hashing = tokio::task::spawn_blocking(move || {
            let hashed = come.into_iter().map(|bytes| {
                hash.update(&bytes);
                Chunk::new(bytes)
            });
            (hashed.collect(), hash)
        });
        self.send().await?;
        let hashed = self.session.waiting(hashing).await?;
        (self.hashed, self.hash) = hashed.map_err(|_| DalError::Gone { operation: "hash weights" })?;
        Ok(())
    }

    /// Returns the uid of the upload, which is created on the first call.
    async fn uid(&mut self) -> Result<Uuid, DalError> {
        if let Some(uid) = self.uid {
            return Ok(uid);
        }
        let model = model_uid(&self.model)?;
        let session = self.session.acquire().await?;
        let uid = ask!(session, backend => backend.begin_upload(model))?;
        self.uid = Some(uid);
        Ok(uid)
    }

    async fn send(&mut self) -> Result<(), DalError> {
        if self.hashed.is_empty() {
            return Ok(());
        }
        self.check_free_space()?;
        let uid = self.uid().await?;
        let session = self.session.acquire().await?;
        ask!(session, backend => backend.put_parts(&self.model, uid, self.parts, &self.hashed))?;
        self.parts += self.hashed.len() as u64;
        self.hashed.clear();
        Ok(())
    }

    /// Checks the free space on the disk of an embedded database. An engine on a full disk cannot be opened any more,
    /// because its log must be copied and merged first.
    fn check_free_space(&self) -> Result<(), DalError> {
        let DbUrl::Embedded(folder) = &self.session.database().settings().url else { return Ok(()) };
        match paths::free(folder) {
            Some(free) if free < LEFT_ALONE => Err(DalError::NoRoom {
                folder: folder.clone(),
                free_mib: free >> 20,
                source: io::ErrorKind::StorageFull.into(),
            }),
            _ => Ok(()),
        }
    }

    /// Turns the upload into the next version: version, access and aliases in one transaction.
    ///
    /// # Errors
    /// [`DalError::Invalid`]; otherwise as [`Upload::write`].
    pub async fn finish(mut self, new: &NewVersion) -> Result<WeightsVersion, DalError> {
        let fits = check_layout(new.format, new.dtype, new.shape.as_deref(), self.bytes);
        fits.map_err(|source| DalError::Invalid { model: self.model.name.clone(), source })?;
        let uid = self.send_rest().await?;
        let sha256 = format!("{:x}", std::mem::take(&mut self.hash).finalize());
        let session = self.session.acquire().await?;
        let version = ask!(session, backend => backend.commit_upload(&self.model, uid, new, self.bytes, &sha256))?;
        self.session.close().await?;
        Ok(version)
    }

    /// Turns the upload into the version that another database had, with its number and time. Changes nothing if the
    /// version exists already.
    ///
    /// # Errors
    /// [`DalError::Damaged`] if the bytes are not those of the version; [`DalError::OtherVersion`] if the number
    /// belongs to another version; [`DalError::Invalid`]; otherwise as [`Upload::write`].
    pub async fn restore(mut self, version: &WeightsVersion) -> Result<(), DalError> {
        version.check().map_err(|source| DalError::Invalid { model: self.model.name.clone(), source })?;
        let sha256 = self.sha256();
        if (self.bytes, &sha256) != (version.bytes, &version.sha256) {
            let what = "its bytes do not have its sha256".to_owned();
            return Err(DalError::Damaged { model: version.model.clone(), version: version.version, what });
        }
        let uid = self.send_rest().await?;
        let session = self.session.acquire().await?;
        ask!(session, backend => backend.restore_version(&self.model, uid, version))?;
        self.session.close().await
    }

    /// Sends the remaining bytes. [`Upload::finish`] does that too; call this if the upload may still be aborted before
    /// it becomes a version.
    ///
    /// # Errors
    /// As [`Upload::write`].
    pub async fn complete(&mut self) -> Result<(), DalError> {
        self.send_rest().await.map(|_| ())
    }

    /// Sends the remaining bytes, and returns the uid of the upload.
    async fn send_rest(&mut self) -> Result<Uuid, DalError> {
        if !self.rest.is_empty() {
            self.come.push(self.rest.split().freeze());
        }
        if !self.come.is_empty() {
            self.advance().await?;
        }
        self.send().await?;
        self.uid().await
    }

    /// Deletes the upload.
    ///
    /// # Errors
    /// As [`Upload::write`]. Garbage collection deletes the remains.
    pub async fn abort(mut self) -> Result<(), DalError> {
        if let Some(uid) = self.uid {
            let session = self.session.acquire().await?;
            ask!(session, backend => backend.abort_upload(uid))?;
        }
        self.session.close().await
    }
}
