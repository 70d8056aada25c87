//! Results that were made already, and do not yet have their place in the results: the input was edited, or failed items are
//! run again.

use std::{
    fs::File,
    io::{self, BufReader, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::disk::Disk;
use crate::{
    digest::short_hash,
    error::BatchError,
    ledger::{Key, Kind, RECORD_BYTES, Record, RecordIndex},
};

/// A file of results beside the ledger: a record of the ledger, whose end is the length of the result, and the result.
#[derive(Debug)]
pub(crate) struct Spare {
    path: PathBuf,
    disk: Disk,
    index: RecordIndex,
}

/// A result that was made already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Whether it is a success.
    pub(crate) kind: Kind,
    /// The result as it was written.
    pub(crate) result: Bytes,
}

impl Spare {
    /// Opens the file, and cuts its torn end. Creates it if `is_needed`, else returns nothing if there is none.
    ///
    /// # Errors
    /// [`BatchError::Ledger`].
    pub(crate) fn open(path: &Path, is_needed: bool) -> Result<Option<Self>, BatchError> {
        let failed = |source| BatchError::Ledger { path: path.to_owned(), source };
        let options = mer_files::internal().read().write();
        let options = if is_needed { options.create(0o600) } else { options };
        let file = match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed)?,
        };
        let (index, end) = scan(&file).map_err(failed)?;
        let mut disk = Disk::new(file, end);
        disk.cut(end).map_err(failed)?;
        Ok(Some(Self { path: path.to_owned(), disk, index }))
    }

    /// Adds a result.
    ///
    /// # Errors
    /// [`BatchError::Ledger`].
    pub(crate) fn add(&mut self, record: &Record, result: &[u8]) -> Result<(), BatchError> {
        self.index.add(record.key, self.disk.length());
        let head = Record { end: result.len() as u64, ..*record }.encode();
        let mut add = || self.disk.append(&head).and_then(|()| self.disk.append(result));
        add().map_err(|source| BatchError::Ledger { path: self.path.clone(), source })
    }

    /// Makes everything durable, and makes it ready for [`Spare::get`].
    ///
    /// # Errors
    /// [`BatchError::Ledger`].
    pub(crate) fn sync(&mut self) -> Result<(), BatchError> {
        self.index.sort();
        self.disk.sync().map_err(|source| BatchError::Ledger { path: self.path.clone(), source })
    }

    /// Returns the result of an item with this key and content, if there is one. A failure counts only if `with_failed`.
    ///
    /// # Errors
    /// [`BatchError::Ledger`].
    pub(crate) fn get(&mut self, key: Key, content: [u8; 8], with_failed: bool) -> Result<Option<Kept>, BatchError> {
        let failed = |source| BatchError::Ledger { path: self.path.clone(), source };
        for at in self.index.candidates(key) {
            let data = at + RECORD_BYTES as u64;
            let bytes = self.disk.read(at, data).map_err(failed)?;
            let Some(record) = bytes.first_chunk().and_then(Record::decode) else { continue };
            let is_wanted = record.kind == Kind::Done || with_failed;
            if record.key == key && record.content == content && is_wanted {
                let result = self.disk.read(data, data + record.end).map_err(failed)?;
                if short_hash(&result) == record.result {
                    return Ok(Some(Kept { kind: record.kind, result: result.into() }));
                }
            }
        }
        Ok(None)
    }

    /// Returns every result, in the order in which they were added.
    ///
    /// # Errors
    /// [`BatchError::Ledger`].
    pub(crate) fn for_each(
        &mut self,
        mut take: impl FnMut(&Record, &[u8]) -> Result<(), BatchError>,
    ) -> Result<(), BatchError> {
        let (mut at, end) = (0, self.disk.length());
        while at < end {
            let failed = |source| BatchError::Ledger { path: self.path.clone(), source };
            let data = at + RECORD_BYTES as u64;
            let bytes = self.disk.read(at, data).map_err(failed)?;
            let Some(record) = bytes.first_chunk().and_then(Record::decode) else { break };
            at = data + record.end;
            let result = self.disk.read(data, at).map_err(failed)?;
            if short_hash(&result) == record.result {
                take(&record, &result)?;
            }
        }
        Ok(())
    }
}

/// Reads the heads of all results. Returns their places, and the end of the last whole one.
fn scan(file: &File) -> io::Result<(RecordIndex, u64)> {
    let length = file.metadata()?.len();
    let mut reader = BufReader::with_capacity(256 << 10, file);
    reader.seek(SeekFrom::Start(0))?;
    let (mut index, mut at) = (RecordIndex::default(), 0);
    let mut head = [0; RECORD_BYTES];
    while at + RECORD_BYTES as u64 <= length {
        reader.read_exact(&mut head)?;
        let Some(record) = Record::decode(&head) else { break };
        let end = (at + RECORD_BYTES as u64).saturating_add(record.end);
        if end > length {
            break;
        }
        index.add(record.key, at);
        reader.seek_relative(i64::try_from(record.end).unwrap_or(i64::MAX))?;
        at = end;
    }
    index.sort();
    Ok((index, at))
}
