//! What a driver does for weights.

use std::time::Duration;

use bytes::Bytes;
use mer_core::{Alias, AliasMove, Model, WeightsVersion};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::NewVersion;
use crate::DalError;

/// A piece of a payload.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    /// Of its bytes, in hexadecimal.
    pub(crate) sha256: String,
    /// At most a mebibyte.
    pub(crate) bytes: Bytes,
}

impl Chunk {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self { sha256: chunk_hash(&bytes), bytes }
    }
}

/// sha256 in hexadecimal.
pub(crate) fn chunk_hash(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// What one step of clearing away did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Swept {
    /// The last chunk that was looked at; nothing where there are no more.
    pub(crate) last: Option<String>,
    /// Chunks that were deleted.
    pub(crate) chunks: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
}

/// What every driver can do for weights. Every call may be run twice without harm, as a lost connection makes it.
pub(crate) trait WeightsBackend {
    /// A new upload. Its uid is the payload's.
    async fn begin_upload(&self, model: Uuid) -> Result<Uuid, DalError>;
    /// Keeps chunks and, from `first` on, the parts that they are.
    async fn put_parts(&self, model: &Model, upload: Uuid, first: u64, chunks: &[Chunk]) -> Result<(), DalError>;
    /// Makes an upload the next version.
    async fn commit_upload(
        &self,
        model: &Model,
        upload: Uuid,
        new: &NewVersion,
        bytes: u64,
        sha256: &str,
    ) -> Result<WeightsVersion, DalError>;
    /// Forgets an upload. Its chunks stay until they are cleared away.
    async fn abort_upload(&self, upload: Uuid) -> Result<(), DalError>;
    /// The chunks of a payload from a part on, at most so many, in their order.
    async fn read_parts(&self, payload: Uuid, from: u64, count: u32) -> Result<Vec<Chunk>, DalError>;

    async fn versions(&self, model: &Model) -> Result<Vec<WeightsVersion>, DalError>;
    async fn version(&self, model: &Model, version: u64) -> Result<Option<WeightsVersion>, DalError>;
    /// Every alias of every model, and the version that it means.
    async fn named_versions(&self, models: &[Model]) -> Result<Vec<(Alias, WeightsVersion)>, DalError>;
    async fn alias_moves(&self, model: &Model, name: Option<&str>) -> Result<Vec<AliasMove>, DalError>;
    async fn move_alias(
        &self,
        model: &Model,
        name: &str,
        version: Option<u64>,
        caller: &str,
        request: Option<Uuid>,
    ) -> Result<(), DalError>;
    /// Whether the log has a run with this version.
    async fn is_in_log(&self, model: &Model, version: u64) -> Result<bool, DalError>;
    /// Removes a version, and with `force` the aliases that name it.
    async fn remove_version(&self, model: &Model, version: u64, force: bool, caller: &str) -> Result<(), DalError>;

    /// The last number that was given to a version of this model; 0 where there was none.
    async fn last_version(&self, model: &Model) -> Result<u64, DalError>;
    /// Makes an upload the version that another database had, with its number and time.
    async fn restore_version(&self, model: &Model, upload: Uuid, version: &WeightsVersion) -> Result<(), DalError>;
    /// Takes over the last number, and those moves of aliases that come after the ones that are there.
    async fn restore_aliases(&self, model: &Model, last: u64, moves: &[AliasMove]) -> Result<(), DalError>;

    /// Deletes uploads that were silent for so long.
    async fn expire_uploads(&self, silent: Duration) -> Result<u64, DalError>;
    /// Payloads that have parts and are neither an upload's nor a version's.
    async fn dead_payloads(&self) -> Result<Vec<Uuid>, DalError>;
    /// Deletes some parts of a payload. Whether there are more.
    async fn remove_parts(&self, payload: Uuid) -> Result<bool, DalError>;
    /// Looks at the chunks after this one, and deletes those that no payload has.
    async fn sweep_chunks(&self, after: Option<&str>) -> Result<Swept, DalError>;
}
