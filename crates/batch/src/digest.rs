//! Shortened SHA-256 of items and results.

use sha2::{Digest as _, Sha256};

/// Returns the first 16 bytes of the SHA-256.
pub(crate) fn short_hash(bytes: &[u8]) -> [u8; 16] {
    shortened(Sha256::new_with_prefix(bytes))
}

/// Returns the first 16 bytes of a SHA-256 that was computed in pieces.
pub(crate) fn shortened(hasher: Sha256) -> [u8; 16] {
    let mut first = [0; 16];
    first.copy_from_slice(&hasher.finalize()[..16]);
    first
}
