//! An item as it is cut out of an input, before it is numbered.

use bytes::Bytes;

use crate::digest::short_hash;

/// Maximum size of an item, in bytes.
pub(crate) const MOST_ITEM_BYTES: usize = 64 << 20;

/// An item as it is cut out of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawItem {
    /// The number of its first line, or of the item where items are no lines, from 1.
    pub(crate) line: u64,
    /// What the model is sent; empty if the item is faulty and too large.
    pub(crate) input: Bytes,
    /// Hash of the content.
    pub(crate) content: [u8; 16],
    /// The value of its id field, where there is one.
    pub(crate) id: Option<String>,
    /// Why it cannot be run, with its place.
    pub(crate) fault: Option<String>,
}

impl RawItem {
    /// An item that can be run.
    pub(crate) fn new(line: u64, input: Bytes) -> Self {
        Self { line, content: short_hash(&input), input, id: None, fault: None }
    }

    /// An item that cannot be run, with the hash of what it is.
    pub(crate) const fn faulty(line: u64, content: [u8; 16], fault: String) -> Self {
        Self { line, input: Bytes::new(), content, id: None, fault: Some(fault) }
    }

    /// An item that is larger than [`MOST_ITEM_BYTES`].
    pub(crate) fn too_large(line: u64, content: [u8; 16], bytes: u64) -> Self {
        let fault = format!("line {line}: the item has {bytes} bytes; the maximum is {} MiB", MOST_ITEM_BYTES >> 20);
        Self::faulty(line, content, fault)
    }
}
