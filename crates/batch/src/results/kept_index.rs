//! Results that stay where they are, found by their item, where the order of the results is not that of the items.

use std::path::{Path, PathBuf};

use super::file_names::file_name;
use crate::{
    error::BatchError,
    ledger::{Key, Kind, Ledger, LedgerReader, RecordIndex},
};

/// The results of earlier processes.
#[derive(Debug)]
pub(crate) struct KeptIndex {
    reader: LedgerReader,
    index: RecordIndex,
    count: u64,
    seen: Vec<u64>,
    /// The folder with a file an item, and whether items have ids.
    folder: Option<PathBuf>,
}

impl KeptIndex {
    /// The first `most` results that a ledger has on record; with a folder, those whose file is there.
    ///
    /// # Errors
    /// [`BatchError::Ledger`].
    pub(crate) fn new(ledger: &mut Ledger, folder: Option<&Path>, most: u64) -> Result<Self, BatchError> {
        let mut index = RecordIndex::default();
        let count = ledger.records().min(most);
        for (number, record) in (0..count).zip(ledger.read_from(0)?) {
            index.add(record?.key, number);
        }
        index.sort();
        let seen = vec![0; usize::try_from(count.div_ceil(64)).unwrap_or_default()];
        Ok(Self { reader: ledger.reader()?, index, count, seen, folder: folder.map(Path::to_owned) })
    }

    /// Returns whether there is a result of this item, and of which kind. Counts it as wanted then.
    ///
    /// # Errors
    /// [`BatchError::Ledger`].
    pub(crate) fn find(
        &mut self,
        id: Option<&str>,
        key: Key,
        content: [u8; 8],
        with_failed: bool,
    ) -> Result<Option<Kind>, BatchError> {
        let Some((number, record)) = self.last(key)? else { return Ok(None) };
        if self.folder.is_some() {
            // The file is overwritten if it is not the one on record.
            self.see(number);
        }
        let is_there = match (&self.folder, record.kind) {
            (_, Kind::Removed) => false,
            (Some(folder), Kind::Done) => {
                let meta = std::fs::symlink_metadata(folder.join(file_name(id, key)));
                meta.is_ok_and(|meta| meta.is_file() && meta.len() == record.end)
            }
            _ => true,
        };
        let counts = is_there && record.content == content && (with_failed || record.kind == Kind::Done);
        if counts {
            self.see(number);
        }
        Ok(counts.then_some(record.kind))
    }

    /// Whether this result is wanted: it was found, or is newer than this index.
    pub(crate) fn is_wanted(&self, number: u64) -> bool {
        let word = usize::try_from(number / 64).unwrap_or(usize::MAX);
        number >= self.count || self.seen.get(word).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// Number of results that were not asked for.
    pub(crate) fn unwanted(&self) -> u64 {
        self.count - self.seen.iter().map(|word| u64::from(word.count_ones())).sum::<u64>()
    }

    /// Whether the last result of this item is on record and was not asked for.
    ///
    /// # Errors
    /// [`BatchError::Ledger`].
    pub(crate) fn is_gone(&self, key: Key) -> Result<bool, BatchError> {
        let last = self.last(key)?;
        Ok(last.is_some_and(|(number, record)| record.kind != Kind::Removed && !self.is_wanted(number)))
    }

    fn last(&self, key: Key) -> Result<Option<(u64, crate::ledger::Record)>, BatchError> {
        for number in self.index.candidates(key) {
            if let Some(record) = self.reader.record(number)?.filter(|record| record.key == key) {
                return Ok(Some((number, record)));
            }
        }
        Ok(None)
    }

    fn see(&mut self, number: u64) {
        let word = usize::try_from(number / 64).ok().and_then(|word| self.seen.get_mut(word));
        if let Some(word) = word {
            *word |= 1 << (number % 64);
        }
    }
}
