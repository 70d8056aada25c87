//! The pieces that payloads are stored in.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

/// A piece of a payload.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    /// sha256 of the bytes, in hexadecimal.
    pub(crate) sha256: String,
    /// 1 MiB at most.
    pub(crate) bytes: Bytes,
}

impl Chunk {
    /// Hashes the bytes.
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self { sha256: chunk_hash(&bytes), bytes }
    }
}

/// Returns the sha256 in hexadecimal.
pub(crate) fn chunk_hash(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// Result of one step of garbage collection.
#[derive(Debug, Clone, Default)]
pub(crate) struct SweptChunks {
    /// Hash of the last chunk that was examined; `None` after the last one.
    pub(crate) last: Option<String>,
    /// Number of deleted chunks.
    pub(crate) chunks: u64,
    /// Their size in bytes.
    pub(crate) bytes: u64,
}
