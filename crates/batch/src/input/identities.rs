//! How often an identity came before: a table of 22 to 33 bytes an item.

use std::collections::HashMap;

use hashbrown::{HashTable, hash_table::Entry};

use crate::item::Identity;

/// Number of identities in a chunk. Chunks are never moved, so that the table grows without a copy of itself.
const CHUNK: usize = 1 << 16;

/// The identities of the items so far, by their index.
#[derive(Debug, Default)]
pub(crate) struct Identities {
    chunks: Vec<Vec<Identity>>,
    /// Indices of the first items of each identity.
    firsts: HashTable<u32>,
    /// Number of items of an identity that came more than once, by the index of the first.
    repeated: HashMap<u32, u32>,
    length: u32,
}

/// What is known of an identity when an item with it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Occurrence {
    /// Number of earlier items with it.
    pub(crate) before: u32,
    /// Index of the first item with it, which is the item itself where none came before.
    pub(crate) first: u64,
}

impl Identities {
    /// Adds the identity of the next item. Returns nothing if there are more items than can be counted.
    pub(crate) fn add(&mut self, identity: Identity) -> Option<Occurrence> {
        let (index, chunks) = (self.length, &self.chunks);
        self.length = index.checked_add(1)?;
        let known = |at: &u32| chunks[*at as usize / CHUNK][*at as usize % CHUNK];
        let entry = self.firsts.entry(hash(identity), |at| known(at) == identity, |at| hash(known(at)));
        let occurrence = match entry {
            Entry::Occupied(first) => {
                let first = *first.get();
                let count = self.repeated.entry(first).or_insert(0);
                *count += 1;
                Occurrence { before: *count, first: first.into() }
            }
            Entry::Vacant(vacant) => {
                vacant.insert(index);
                Occurrence { before: 0, first: index.into() }
            }
        };
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            // The first chunk grows, so that a small batch takes little.
            let capacity = if self.chunks.is_empty() { 0 } else { CHUNK };
            self.chunks.push(Vec::with_capacity(capacity));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(identity);
        }
        Some(occurrence)
    }
}

/// An identity is a hash already.
fn hash(identity: Identity) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = identity.0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::short_hash;

    #[test]
    fn occurrences_are_counted_across_chunks() {
        let mut identities = Identities::default();
        let of = |number: usize| Identity(short_hash(&number.to_le_bytes()));
        let count = CHUNK + 1000;
        for round in 0..3_u32 {
            for number in 0..count {
                let found = identities.add(of(number)).expect("countable");
                assert_eq!(found, Occurrence { before: round, first: number as u64 }, "{round} {number}");
            }
        }
    }
}
