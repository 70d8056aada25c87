//! The file of the ledger: opening, locking, appending, syncing.

use std::{
    fs::File,
    io::{self, BufReader, Read as _, Seek as _, SeekFrom},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use super::{
    header::{self, BadHeader, HEADER_BYTES, PID_AT, Slot},
    manifest::Manifest,
    record::{RECORD_BYTES, Record},
};
use crate::{error::BatchError, options::Options};

/// The ledger of a batch. It is locked for as long as it is open.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
    file: File,
    slot: Slot,
    /// Number of records, with those in the buffer.
    records: u64,
    buffer: Vec<u8>,
}

/// A ledger that was there.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The ledger, with the records that count.
    pub(crate) ledger: Ledger,
    /// Its manifest.
    pub(crate) manifest: Manifest,
    /// What is damaged, after the records that count.
    pub(crate) damage: Option<String>,
}

/// Returns the id of this boot of the machine; zeros where the system does not tell.
#[cfg_attr(not(test), expect(unused_variables, reason = "only tests boot"))]
pub(crate) fn boot_id(options: &Options) -> [u8; 16] {
    #[cfg(test)]
    if let Some(boot) = options.boot {
        return boot;
    }
    let text = mer_files::read_external_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    uuid::Uuid::try_parse(text.trim()).map(uuid::Uuid::into_bytes).unwrap_or_default()
}

/// Says in both slots that only this many records were synced, and in which boot.
#[cfg(test)]
pub(crate) fn set_synced(path: &Path, records: u64, boot: [u8; 16]) {
    let file = File::options().write(true).open(path).unwrap();
    for number in [1000, 1001] {
        let slot = Slot { number, records, boot };
        file.write_all_at(&slot.encode(), slot.at() as u64).unwrap();
    }
}

impl Ledger {
    /// Opens and locks the ledger, and reads which of its records count. Returns nothing if there is none.
    ///
    /// # Errors
    /// [`BatchError::Ledger`], [`BatchError::Locked`], [`BatchError::NewerLedger`], and [`BatchError::DamagedLedger`] if the
    /// header is damaged.
    pub(crate) fn open(path: &Path, boot: [u8; 16]) -> Result<Option<Opened>, BatchError> {
        let failed = |source| BatchError::Ledger { path: path.to_owned(), source };
        let file = match mer_files::internal().read().write().open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed)?,
        };
        lock(&file, path)?;
        let length = file.metadata().map_err(failed)?.len();
        if length == 0 {
            return Ok(None);
        }
        let damaged = |what| BatchError::DamagedLedger { path: path.to_owned(), what, intact: 0 };
        if length < HEADER_BYTES as u64 {
            return Err(damaged("its header is not complete".to_owned()));
        }
        let mut head = [0; HEADER_BYTES];
        file.read_exact_at(&mut head, 0).map_err(failed)?;
        let (manifest, slots) = header::decode(&head).map_err(|bad| match bad {
            BadHeader::Newer(version) => BatchError::NewerLedger { path: path.to_owned(), version },
            BadHeader::Damaged(what) => damaged(what),
        })?;
        // Only now it is known to be a ledger.
        file.write_all_at(&std::process::id().to_le_bytes(), PID_AT as u64).map_err(failed)?;
        let written = (length - HEADER_BYTES as u64) / RECORD_BYTES as u64;
        let slot = slots[0];
        let mut ledger = Self { path: path.to_owned(), file, slot, records: written, buffer: Vec::new() };
        let valid = ledger.valid_records()?;
        let (records, damage) = counted(&slots, valid, written, boot);
        ledger.records = records;
        Ok(Some(Opened { ledger, manifest, damage }))
    }

    /// Creates and locks the ledger, or empties the one that is there.
    ///
    /// # Errors
    /// [`BatchError::Ledger`], [`BatchError::Locked`].
    pub(crate) fn create(path: &Path, manifest: &Manifest, boot: [u8; 16]) -> Result<Self, BatchError> {
        let failed = |source| BatchError::Ledger { path: path.to_owned(), source };
        let file = mer_files::open_lock_file(path).map_err(failed)?;
        lock(&file, path)?;
        let slot = Slot { number: 1, records: 0, boot };
        let write = || {
            file.set_len(0)?;
            file.write_all_at(&header::encode(manifest, &slot), 0)?;
            file.sync_all()
        };
        write().map_err(failed)?;
        Ok(Self { path: path.to_owned(), file, slot, records: 0, buffer: Vec::new() })
    }

    /// Number of records.
    pub(crate) const fn records(&self) -> u64 {
        self.records
    }

    /// The path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`BatchError::Ledger`].
    pub(crate) fn record(&mut self, number: u64) -> Result<Record, BatchError> {
        self.flush()?;
        let mut bytes = [0; RECORD_BYTES];
        self.file.read_exact_at(&mut bytes, place(number)).map_err(|source| self.failed(source))?;
        Record::decode(&bytes).ok_or_else(|| self.damaged(number))
    }

    /// Another handle, which reads the records that are written already.
    ///
    /// # Errors
    /// [`BatchError::Ledger`].
    pub(crate) fn reader(&self) -> Result<LedgerReader, BatchError> {
        let file = mer_files::internal().read().open(&self.path).map_err(|source| self.failed(source))?;
        Ok(LedgerReader { path: self.path.clone(), file })
    }

    /// Reads all records from this number on, in order.
    ///
    /// # Errors
    /// [`BatchError::Ledger`].
    pub(crate) fn read_from(
        &mut self,
        number: u64,
    ) -> Result<impl Iterator<Item = Result<Record, BatchError>> + use<>, BatchError> {
        self.flush()?;
        let open = || {
            // Another open file, with a position of its own.
            let mut file = mer_files::internal().read().open(&self.path)?;
            file.seek(SeekFrom::Start(place(number)))?;
            Ok(BufReader::with_capacity(RECORD_BYTES << 12, file))
        };
        let mut reader = open().map_err(|source| self.failed(source))?;
        let path = self.path.clone();
        Ok((number..self.records).map(move |number| {
            let mut bytes = [0; RECORD_BYTES];
            let failed = |source| BatchError::Ledger { path: path.clone(), source };
            reader.read_exact(&mut bytes).map_err(failed)?;
            Record::decode(&bytes).ok_or_else(|| BatchError::DamagedLedger {
                path: path.clone(),
                what: format!("record {} is not the one that was written", number + 1),
                intact: number,
            })
        }))
    }

    /// Adds a record. It is written by [`Ledger::flush`], after its result.
    pub(crate) fn push(&mut self, record: &Record) {
        self.buffer.extend_from_slice(&record.encode());
        self.records += 1;
    }

    /// Writes what was added.
    ///
    /// # Errors
    /// [`BatchError::Ledger`].
    pub(crate) fn flush(&mut self) -> Result<(), BatchError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let first = self.records - (self.buffer.len() / RECORD_BYTES) as u64;
        self.file.write_all_at(&self.buffer, place(first)).map_err(|source| self.failed(source))?;
        self.buffer.clear();
        Ok(())
    }

    /// Makes all records durable. Their results must be durable already.
    ///
    /// # Errors
    /// [`BatchError::Ledger`].
    pub(crate) fn sync(&mut self) -> Result<(), BatchError> {
        self.flush()?;
        self.slot = Slot { number: self.slot.number + 1, records: self.records, ..self.slot };
        let write = || {
            self.file.write_all_at(&self.slot.encode(), self.slot.at() as u64)?;
            self.file.sync_data()
        };
        write().map_err(|source| self.failed(source))
    }

    /// Removes all records from this number on, and makes that durable: no slot counts them any more.
    ///
    /// # Errors
    /// [`BatchError::Ledger`].
    pub(crate) fn cut(&mut self, records: u64) -> Result<(), BatchError> {
        self.flush()?;
        self.records = records;
        self.sync()?;
        self.sync()?;
        self.file.set_len(place(records)).map_err(|source| self.failed(source))
    }

    /// Begins to write in this boot of the machine, with another manifest if one is given.
    ///
    /// # Errors
    /// [`BatchError::Ledger`].
    pub(crate) fn begin(&mut self, boot: [u8; 16], manifest: Option<&Manifest>) -> Result<(), BatchError> {
        self.slot.boot = boot;
        if let Some(manifest) = manifest {
            self.slot = Slot { boot, number: self.slot.number + 1, records: self.records };
            let header = header::encode(manifest, &self.slot);
            self.file.write_all_at(&header, 0).map_err(|source| self.failed(source))?;
        }
        self.cut(self.records)
    }

    fn failed(&self, source: io::Error) -> BatchError {
        BatchError::Ledger { path: self.path.clone(), source }
    }

    fn damaged(&self, number: u64) -> BatchError {
        let what = format!("record {} is not the one that was written", number + 1);
        BatchError::DamagedLedger { path: self.path.clone(), what, intact: number }
    }

    /// Number of records before the first that is not valid.
    fn valid_records(&mut self) -> Result<u64, BatchError> {
        let mut valid = 0;
        for record in self.read_from(0)? {
            match record {
                Ok(_) => valid += 1,
                Err(BatchError::DamagedLedger { .. }) => break,
                Err(other) => return Err(other),
            }
        }
        Ok(valid)
    }
}

/// Reads single records of a ledger.
#[derive(Debug)]
pub(crate) struct LedgerReader {
    path: PathBuf,
    file: File,
}

impl LedgerReader {
    /// Reads a record; nothing if it is damaged.
    ///
    /// # Errors
    /// [`BatchError::Ledger`].
    pub(crate) fn record(&self, number: u64) -> Result<Option<Record>, BatchError> {
        let mut bytes = [0; RECORD_BYTES];
        let read = self.file.read_exact_at(&mut bytes, place(number));
        read.map_err(|source| BatchError::Ledger { path: self.path.clone(), source })?;
        Ok(Record::decode(&bytes))
    }
}

/// Place of a record in the file.
const fn place(number: u64) -> u64 {
    HEADER_BYTES as u64 + number * RECORD_BYTES as u64
}

/// Returns how many records count, and what is damaged after them.
///
/// Within one boot every written record counts, and only the last one can be torn. After another boot only synced records
/// count. The newest slot may have been written without its records: then the one before it counts.
fn counted(slots: &[Slot], valid: u64, written: u64, boot: [u8; 16]) -> (u64, Option<String>) {
    let damage = || Some(format!("record {} is not the one that was written", valid + 1));
    if slots[0].boot == boot {
        return (valid, if valid + 1 < written { damage() } else { None });
    }
    match slots.iter().find(|slot| slot.records <= valid) {
        Some(slot) => (slot.records, None),
        None => (valid, damage()),
    }
}

fn lock(file: &File, path: &Path) -> Result<(), BatchError> {
    let failed = |source| BatchError::Ledger { path: path.to_owned(), source };
    if mer_files::try_lock(file).map_err(failed)? {
        return Ok(());
    }
    let mut pid = [0; 4];
    let known = file.read_exact_at(&mut pid, PID_AT as u64).is_ok();
    let pid = Some(u32::from_le_bytes(pid)).filter(|pid| known && *pid > 0);
    Err(BatchError::Locked { path: path.to_owned(), pid })
}
