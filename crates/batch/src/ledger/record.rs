//! A record of the ledger: 60 bytes.

use crate::item::Identity;

/// Size of a record, in bytes.
pub(crate) const RECORD_BYTES: usize = 60;

/// What identifies an item within a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// The item's identity.
    pub(crate) identity: Identity,
    /// Number of earlier items with the same identity.
    pub(crate) occurrence: u32,
}

/// What a record says of its item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It succeeded.
    Done,
    /// It failed.
    Failed,
    /// Its result was removed, because the item is no longer in the input. Only where each item has a file.
    Removed,
}

/// A record of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// The item.
    pub(crate) key: Key,
    /// What became of it.
    pub(crate) kind: Kind,
    /// End of its result in the results, in bytes; the length of its file where each item has one.
    pub(crate) end: u64,
    /// Hash of its result.
    pub(crate) result: [u8; 16],
    /// Hash of its content, which can change where a field identifies it.
    pub(crate) content: [u8; 8],
}

impl Record {
    /// Returns the record as bytes: identity 16, occurrence 4, kind 1, reserved 3, end 8, result 16, content 8, CRC-32 4;
    /// numbers are little-endian.
    pub(crate) fn encode(&self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[..16].copy_from_slice(&self.key.identity.0);
        bytes[16..20].copy_from_slice(&self.key.occurrence.to_le_bytes());
        bytes[20] = match self.kind {
            Kind::Done => 1,
            Kind::Failed => 2,
            Kind::Removed => 3,
        };
        bytes[24..32].copy_from_slice(&self.end.to_le_bytes());
        bytes[32..48].copy_from_slice(&self.result);
        bytes[48..56].copy_from_slice(&self.content);
        let crc = crc32fast::hash(&bytes[..56]);
        bytes[56..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a record; nothing if its CRC is wrong, or its kind is unknown.
    pub(crate) fn decode(bytes: &[u8; RECORD_BYTES]) -> Option<Self> {
        if crc32fast::hash(&bytes[..56]).to_le_bytes() != bytes[56..] {
            return None;
        }
        let kind = match bytes[20] {
            1 => Kind::Done,
            2 => Kind::Failed,
            3 => Kind::Removed,
            _ => return None,
        };
        Some(Self {
            key: Key { identity: Identity(part(bytes, 0)), occurrence: u32::from_le_bytes(part(bytes, 16)) },
            kind,
            end: u64::from_le_bytes(part(bytes, 24)),
            result: part(bytes, 32),
            content: part(bytes, 48),
        })
    }
}

/// Returns the bytes from a place on.
pub(super) fn part<const N: usize>(bytes: &[u8], from: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[from..from + N]);
    part
}
