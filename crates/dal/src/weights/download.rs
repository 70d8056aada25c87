//! Downloads of weights.

use std::collections::VecDeque;

use bytes::Bytes;
use mer_core::WeightsVersion;
use sha2::{Digest as _, Sha256};

use super::chunk::{Chunk, chunk_hash};
use crate::{DalError, Database, backend::PayloadBackend as _, batch_session::BatchSession, store::ask};

/// Number of chunks that are read at once.
const BATCH: u32 = 4;

/// A download of one version. The hash of the whole is verified before the end is reported, so the caller must be able
/// to discard the bytes until then. Single chunks are verified only if the whole is wrong: hashing everything twice
/// took a third of the time.
#[derive(Debug)]
pub struct Download {
    session: BatchSession,
    version: WeightsVersion,
    /// Number of parts that have been read.
    part: u64,
    read: u64,
    /// Chunks that were read and not hashed yet.
    ahead: Vec<Chunk>,
    /// Bytes to return next.
    ready: VecDeque<Bytes>,
    /// Number of bytes that were returned.
    bytes: u64,
    /// Hash of the bytes that were returned or are ready.
    hash: Option<Sha256>,
}

impl Download {
    /// Prepares the download of a version. Reads nothing yet.
    #[must_use]
    pub fn new(database: &Database, version: &WeightsVersion) -> Self {
        Self {
            session: BatchSession::new(database),
            version: version.clone(),
            part: 0,
            read: 0,
            ahead: Vec::new(),
            ready: VecDeque::new(),
            bytes: 0,
            hash: Some(Sha256::new()),
        }
    }

    /// Waits for something else, such as a slow reader. Closes the session if that takes time.
    ///
    /// # Errors
    /// As [`crate::Session::close`].
    pub async fn waiting<T>(&mut self, other: impl Future<Output = T>) -> Result<T, DalError> {
        self.session.waiting(other).await
    }

    /// Returns the next bytes, or `None` after the last; the session is closed then.
    ///
    /// # Errors
    /// [`DalError::Damaged`] if they differ from the uploaded bytes; otherwise as [`Database::session`] and
    /// [`crate::Store::servers`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, DalError> {
        if self.ready.is_empty() && self.bytes < self.version.bytes {
            self.advance().await?;
        }
        match self.ready.pop_front() {
            Some(bytes) => {
                self.bytes += bytes.len() as u64;
                Ok(Some(bytes))
            }
            None => {
                let whole = self.hash.take().is_none_or(|hash| format!("{:x}", hash.finalize()) == self.version.sha256);
                let damage = if whole { None } else { Some(self.damage().await) };
                self.session.close().await?;
                damage.map_or(Ok(None), Err)
            }
        }
    }

    /// Hashes the chunks that were read before, and reads the next ones meanwhile.
    async fn advance(&mut self) -> Result<(), DalError> {
        if self.ahead.is_empty() {
            self.ahead = self.read().await?;
        }
        let ready: VecDeque<Bytes> = std::mem::take(&mut self.ahead).into_iter().map(|chunk| chunk.bytes).collect();
        let (bytes, mut hash) = (ready.clone(), self.hash.clone().unwrap_or_default());
        let hashing = tokio::task::spawn_blocking(move || {
            bytes.iter().for_each(|bytes| hash.update(bytes));
            hash
        });
        let ahead = if self.read < self.version.bytes { self.read().await } else { Ok(Vec::new()) };
        let hash = self.session.waiting(hashing).await?.map_err(|_| DalError::Gone { operation: "hash weights" })?;
        (self.ready, self.hash) = (ready, Some(hash));
        self.ahead = ahead?;
        Ok(())
    }

    /// Finds the damaged part by reading everything once more.
    async fn damage(&mut self) -> DalError {
        (self.part, self.read) = (0, 0);
        while self.read < self.version.bytes {
            let first = self.part;
            let chunks = match self.read().await {
                Ok(chunks) => chunks,
                Err(error) => return error,
            };
            if let Some(at) = chunks.iter().position(|chunk| chunk_hash(&chunk.bytes) != chunk.sha256) {
                return self.damaged(format!("its part {} does not have its sha256", first + at as u64));
            }
        }
        self.damaged("its bytes do not have its sha256".to_owned())
    }

    /// Reads the next parts.
    async fn read(&mut self) -> Result<Vec<Chunk>, DalError> {
        let (payload, part) = (self.version.payload, self.part);
        let session = self.session.acquire().await?;
        let chunks = ask!(session, backend => backend.read_parts(payload, part, BATCH))?;
        if chunks.is_empty() {
            return Err(self.damaged(format!("it has {} bytes, and there are {}", self.version.bytes, self.read)));
        }
        self.part += chunks.len() as u64;
        self.read += chunks.iter().map(|chunk| chunk.bytes.len() as u64).sum::<u64>();
        Ok(chunks)
    }

    fn damaged(&self, what: String) -> DalError {
        DalError::Damaged { model: self.version.model.clone(), version: self.version.version, what }
    }

    /// Closes the session before the end of the download.
    ///
    /// # Errors
    /// As [`crate::Session::close`].
    pub async fn close(mut self) -> Result<(), DalError> {
        self.session.close().await
    }
}
