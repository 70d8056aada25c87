//! How much may be written between opening and closing the engine.
//!
//! The engine (surrealkv 0.21.4) can lose acknowledged transactions if its process dies after a memtable was full:
//!
//! - The transaction that finds the memtable full is logged in that memtable's segment of the log, but its rows go into
//!   the next memtable. When the full memtable has been written out, its segment is removed, and until the next
//!   memtable is written out too, that transaction is nowhere on the disk.
//! - A segment that needs two memtables when it is replayed counts as written out as soon as the first of them is;
//!   records that are appended to it afterwards are not replayed again.
//!
//! No memtable may therefore become full. Bulk work closes the engine long before that, and closing writes everything
//! out in order; an opening after a crash makes a memtable that holds all of the log that is left.

use std::{fs, path::Path};

const MIB: u64 = 1 << 20;

/// Size of the memtable. One transaction must fit into what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemtableSize {
    /// For rows. The allocator may touch all of it at every opening, and a run should need little memory.
    Usual,
    /// For uploads of weights, which would otherwise open and close the engine most of the time.
    Large,
}

impl MemtableSize {
    const fn bytes(self) -> u64 {
        match self {
            Self::Usual => 16 * MIB,
            Self::Large => 64 * MIB,
        }
    }

    /// Length of the log in bytes at which bulk work must reopen the engine. The largest batch, some 6 MiB, fits on
    /// top, and a small row takes half as much again in the memtable as in the log.
    const fn log(self) -> u64 {
        match self {
            Self::Usual => 5 * MIB,
            Self::Large => 44 * MIB,
        }
    }

    /// Returns the size in bytes of the memtable for an engine with this folder of logs.
    pub(crate) fn bytes_for(self, logs: &Path) -> u64 {
        /// Offsets in the memtable have 32 bits.
        const MOST: u64 = 3 << 30;
        (self.bytes() + 2 * length(logs)).min(MOST)
    }

    /// Returns whether so much has been written that bulk work must reopen the engine.
    pub(super) fn is_used_up(self, logs: &Path) -> bool {
        length(logs) >= self.log()
    }
}

/// Returns the bytes in a folder of logs. A closed engine leaves none.
fn length(logs: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(logs) else { return 0 };
    entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memtable_holds_what_may_be_written_and_the_log_that_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let logs = folder.path();
        /// The largest batch, in the log.
        const BATCH: u64 = 6 * MIB;
        for size in [MemtableSize::Usual, MemtableSize::Large] {
            assert!((size.log() + BATCH) * 5 / 4 <= size.bytes(), "{size:?}");
            assert_eq!(size.bytes_for(logs), size.bytes());
            assert!(!size.is_used_up(logs));
        }
        for (name, length) in [("1.wal", 3 * MIB), ("2.wal", 2 * MIB)] {
            fs::File::create(logs.join(name)).and_then(|file| file.set_len(length)).expect("a log");
        }
        assert_eq!(MemtableSize::Usual.bytes_for(logs), 26 * MIB);
        assert!(MemtableSize::Usual.is_used_up(logs));
        assert!(!MemtableSize::Large.is_used_up(logs));
        assert!(!MemtableSize::Usual.is_used_up(&logs.join("none")));
    }
}
