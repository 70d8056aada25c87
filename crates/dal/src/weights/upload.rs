//! Weights on their way in.

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
    backend::{PayloadBackend as _, VersionBackend as _},
    batch_session::BatchSession,
    embedded::paths,
    store::ask,
};

/// What weights are cut into.
const CHUNK: usize = 1 << 20;

/// How many chunks go into one transaction.
const BATCH: usize = 4;

/// How much of the disk of an embedded database weights leave alone: what they may have written between an opening of the
/// engine and its closing.
const LEFT_ALONE: u64 = 64 << 20;

/// A payload on its way in. Dropped, or after an error, it leaves nothing that can be seen.
#[derive(Debug)]
pub struct Upload {
    session: BatchSession,
    model: Model,
    /// Made with the first batch.
    uid: Option<Uuid>,
    /// The beginning of a chunk.
    rest: BytesMut,
    /// Chunks that have come.
    come: Vec<Bytes>,
    /// Chunks that have been hashed since, and are to be sent.
    hashed: Vec<Chunk>,
    /// How many have been sent.
    parts: u64,
    bytes: u64,
    /// Of what was sent and what is to be sent.
    hash: Sha256,
}

impl Upload {
    /// A payload for the next version of a model. Touches nothing yet.
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

    /// How many bytes it has so far.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The sha256 of those bytes, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> String {
        let mut hash = self.hash.clone();
        self.come.iter().for_each(|chunk| hash.update(chunk));
        hash.update(&self.rest);
        format!("{:x}", hash.finalize())
    }

    /// Waits for something else, such as the next bytes. The database is given back where that takes time.
    ///
    /// # Errors
    /// As [`crate::Session::close`].
    pub async fn waiting<T>(&mut self, other: impl Future<Output = T>) -> Result<T, DalError> {
        self.session.waiting(other).await
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`DalError::UploadGone`] where it was silent for so long that it was cleared away; otherwise as
    /// [`Database::session`] and [`crate::Store::apply`].
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
                // The first goes alone: while it is sent, there are others to be hashed.
                let is_first = self.parts == 0 && self.hashed.is_empty();
                if self.come.len() == if is_first { 1 } else { BATCH } {
                    self.advance().await?;
                }
            }
        }
        Ok(())
    }

    /// Hashes what has come while what was hashed before is sent.
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

    /// The upload, which is made where it is not there yet.
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

    /// Weights fill a disk as nothing else does, and an embedded engine on a full disk cannot be opened any more: its log
    /// is to be copied and merged first. They leave the last of it alone.
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

    /// Makes it the next version: version, access and aliases in one step.
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

    /// Makes it the version that another database had, with its number and its time. Where it is there already, nothing
    /// changes.
    ///
    /// # Errors
    /// [`DalError::Damaged`] where these are not its bytes; [`DalError::OtherVersion`] where the number belongs to others;
    /// [`DalError::Invalid`]; as [`Upload::write`].
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

    /// Sends what has not been sent yet. [`Upload::finish`] does it too; this is for those who may give up until then, and
    /// no more once it is to become a version.
    ///
    /// # Errors
    /// As [`Upload::write`].
    pub async fn complete(&mut self) -> Result<(), DalError> {
        self.send_rest().await.map(|_| ())
    }

    /// Sends what has not been sent yet, and gives the upload.
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

    /// Takes it back.
    ///
    /// # Errors
    /// As [`Upload::write`]. What is left then is cleared away later.
    pub async fn abort(mut self) -> Result<(), DalError> {
        if let Some(uid) = self.uid {
            let session = self.session.acquire().await?;
            ask!(session, backend => backend.abort_upload(uid))?;
        }
        self.session.close().await
    }
}
