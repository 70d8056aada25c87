//! One input of a batch, and what identifies it.

use std::fmt;

use bytes::Bytes;

/// Identifies an item whatever its position: 16 bytes of the SHA-256 of its content, or of the value of its id field.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(pub [u8; 16]);

impl fmt::Display for Identity {
    /// Writes 32 hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One input of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Position in this input, from 0.
    pub index: u64,
    /// What identifies it, whatever its position.
    pub identity: Identity,
    /// Number of earlier items of this input with the same identity.
    pub occurrence: u32,
    /// What the model is sent, without a delimiter.
    pub input: Bytes,
}
