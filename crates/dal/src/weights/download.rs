//! Weights on their way out.

use std::collections::VecDeque;

use bytes::Bytes;
use mer_core::WeightsVersion;
use sha2::{Digest as _, Sha256};

use super::{WeightsBackend as _, backend::hex, chunk_hash, turn::Turn};
use crate::{DalError, Database, store::ask};

/// How many chunks are asked for at once.
const BATCH: u32 = 4;

/// A version on its way out. What it gives is checked: each chunk before it is given, the whole before the end is.
#[derive(Debug)]
pub struct Download {
    turn: Turn,
    version: WeightsVersion,
    part: u64,
    bytes: u64,
    ready: VecDeque<Bytes>,
    hash: Option<Sha256>,
}

impl Download {
    /// The bytes of a version. Touches nothing yet.
    #[must_use]
    pub fn new(database: &Database, version: &WeightsVersion) -> Self {
        Self {
            turn: Turn::new(database),
            version: version.clone(),
            part: 0,
            bytes: 0,
            ready: VecDeque::new(),
            hash: Some(Sha256::new()),
        }
    }

    /// Waits for something else, such as a slow reader. The database is given back where that takes time.
    ///
    /// # Errors
    /// As [`crate::Session::close`].
    pub async fn waiting<T>(&mut self, other: impl Future<Output = T>) -> Result<T, DalError> {
        self.turn.waiting(other).await
    }

    /// The next bytes; nothing after the last, and the database is given back then.
    ///
    /// # Errors
    /// [`DalError::Damaged`] where they are not those that were put; otherwise as [`Database::session`] and
    /// [`crate::Store::servers`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, DalError> {
        if self.ready.is_empty() && self.bytes < self.version.bytes {
            self.fetch().await?;
        }
        match (self.ready.pop_front(), &mut self.hash) {
            (Some(bytes), Some(hash)) => {
                hash.update(&bytes);
                self.bytes += bytes.len() as u64;
                Ok(Some(bytes))
            }
            (_, hash) => {
                let whole = hash.take().is_none_or(|hash| hex(&hash.finalize()) == self.version.sha256);
                self.turn.close().await?;
                if whole { Ok(None) } else { Err(self.damaged("its bytes do not have its sha256".to_owned())) }
            }
        }
    }

    async fn fetch(&mut self) -> Result<(), DalError> {
        let (payload, part) = (self.version.payload, self.part);
        let session = self.turn.session().await?;
        let chunks = ask!(session, backend => backend.read_parts(payload, part, BATCH))?;
        if chunks.is_empty() {
            return Err(self.damaged(format!("it has {} bytes, and there are {}", self.version.bytes, self.bytes)));
        }
        for chunk in chunks {
            if chunk_hash(&chunk.bytes) != chunk.sha256 {
                return Err(self.damaged(format!("its part {} does not have its sha256", self.part)));
            }
            self.part += 1;
            self.ready.push_back(chunk.bytes);
        }
        Ok(())
    }

    fn damaged(&self, what: String) -> DalError {
        DalError::Damaged { model: self.version.model.clone(), version: self.version.version, what }
    }

    /// Gives the database back before the end.
    ///
    /// # Errors
    /// As [`crate::Session::close`].
    pub async fn close(mut self) -> Result<(), DalError> {
        self.turn.close().await
    }
}
