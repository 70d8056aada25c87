//! Finds records by their key, in 16 bytes a record.

use super::record::Key;

/// Positions by key. A candidate may be of another key: callers compare.
#[derive(Debug, Default)]
pub(crate) struct RecordIndex {
    /// Hash of the key, and position; sorted.
    entries: Vec<(u64, u64)>,
    is_sorted: bool,
}

impl RecordIndex {
    /// Adds a position.
    pub(crate) fn add(&mut self, key: Key, position: u64) {
        self.entries.push((hash(key), position));
        self.is_sorted = false;
    }

    /// Sorts what was added; to be called before [`RecordIndex::candidates`].
    pub(crate) fn sort(&mut self) {
        self.entries.sort_unstable();
        self.is_sorted = true;
    }

    /// Returns the positions that may be of this key, the last first.
    pub(crate) fn candidates(&self, key: Key) -> impl Iterator<Item = u64> + '_ {
        debug_assert!(self.is_sorted, "the index is not sorted");
        let wanted = hash(key);
        let end = self.entries.partition_point(|(hash, _)| *hash <= wanted);
        self.entries[..end].iter().rev().take_while(move |(hash, _)| *hash == wanted).map(|(_, position)| *position)
    }
}

fn hash(key: Key) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = key.identity.0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h]).wrapping_add(key.occurrence.into())
}
