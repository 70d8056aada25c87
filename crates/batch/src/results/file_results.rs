//! Results in one file, with a ledger beside it.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, BufReader, Read as _},
    path::{Path, PathBuf},
};

use super::{disk::Disk, spare::Spare};
use crate::{
    digest::short_hash,
    error::BatchError,
    ledger::{Ledger, Manifest, Opened, Record},
    options::Options,
};

/// Results in one file, and their ledger. The file is written before the ledger, and synced before it.
#[derive(Debug)]
pub(crate) struct FileResults {
    path: PathBuf,
    out: Disk,
    ledger: Ledger,
    is_dirty: bool,
}

/// Returns the path beside the results with something added to its name.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    // Without a slash at its end, which a shell adds to the name of a folder.
    let mut name: OsString = path.components().as_path().as_os_str().to_owned();
    name.push(ending);
    name.into()
}

impl FileResults {
    /// Opens the results of an earlier process if the options say so, else creates them. Nothing is changed where this fails.
    ///
    /// # Errors
    /// Everything that [`BatchError`] has about results and ledgers.
    pub(crate) fn open(path: &Path, options: &Options, boot: [u8; 16]) -> Result<Self, BatchError> {
        let ledger_path = beside(path, ".mer");
        let manifest = Manifest::new(options, false);
        if !options.resume && !options.force {
            refuse_existing(path, &ledger_path)?;
        }
        let opened = if options.resume { opened(&ledger_path, &manifest, options, boot)? } else { None };
        match opened {
            Some(opened) => Self::resume(path, opened, &manifest, options, boot),
            None => {
                if !options.force {
                    refuse_existing(path, &ledger_path)?;
                }
                Self::create(path, &ledger_path, &manifest, options, boot)
            }
        }
    }

    fn create(
        path: &Path,
        ledger_path: &Path,
        manifest: &Manifest,
        options: &Options,
        boot: [u8; 16],
    ) -> Result<Self, BatchError> {
        let failed = |source| BatchError::Write { path: path.to_owned(), source };
        // Before the ledger is changed, in case that the results have no place.
        let is_new = !path.exists();
        let out = open_out(path).map_err(failed)?;
        let ledger = Ledger::create(ledger_path, manifest, boot).inspect_err(|_| {
            if is_new {
                // It is empty, and stays where that fails.
                let _ = std::fs::remove_file(path);
            }
        })?;
        let empty = || {
            let _ = std::fs::remove_file(spare_path(path));
            out.set_len(0)?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            mer_files::sync_folder(folder.unwrap_or_else(|| Path::new(".")))
        };
        empty().map_err(failed)?;
        Ok(Self { path: path.to_owned(), out: disk(out, 0, options), ledger, is_dirty: false })
    }

    fn resume(
        path: &Path,
        opened: Opened,
        manifest: &Manifest,
        options: &Options,
        boot: [u8; 16],
    ) -> Result<Self, BatchError> {
        let failed = |source| BatchError::Write { path: path.to_owned(), source };
        let (mut ledger, before, intact) = checked(path, opened, options)?;
        let out = open_out(path).map_err(failed)?;
        ledger.cut(intact)?;
        let end = if intact == 0 { 0 } else { ledger.record(intact - 1)?.end };
        out.set_len(end).map_err(failed)?;
        let mut results = Self { path: path.to_owned(), out: disk(out, end, options), ledger, is_dirty: false };
        results.out.sync().map_err(failed)?;
        let is_other = before.difference(manifest).is_some();
        results.ledger.begin(boot, is_other.then_some(manifest))?;
        Ok(results)
    }

    /// Number of results.
    pub(crate) const fn count(&self) -> u64 {
        self.ledger.records()
    }

    /// Reads the records, in order.
    ///
    /// # Errors
    /// [`BatchError::Ledger`].
    pub(crate) fn records(&mut self) -> Result<impl Iterator<Item = Result<Record, BatchError>> + use<>, BatchError> {
        self.ledger.read_from(0)
    }

    /// Appends a result.
    ///
    /// # Errors
    /// [`BatchError::Write`].
    pub(crate) fn append(&mut self, record: Record, result: &[u8]) -> Result<(), BatchError> {
        self.out.append(result).map_err(|source| self.failed(source))?;
        self.ledger.push(&Record { end: self.out.length(), result: short_hash(result), ..record });
        self.is_dirty = true;
        Ok(())
    }

    /// Reads a result and its kind.
    ///
    /// # Errors
    /// [`BatchError::Write`], [`BatchError::Ledger`].
    pub(crate) fn result(&mut self, number: u64) -> Result<(Record, Vec<u8>), BatchError> {
        self.flush()?;
        let begin = if number == 0 { 0 } else { self.ledger.record(number - 1)?.end };
        let record = self.ledger.record(number)?;
        let bytes = self.out.read(begin, record.end).map_err(|source| self.failed(source))?;
        Ok((record, bytes))
    }

    /// Hands results and records to the system, so that they survive the end of this process.
    ///
    /// # Errors
    /// [`BatchError::Write`], [`BatchError::Ledger`].
    pub(crate) fn flush(&mut self) -> Result<(), BatchError> {
        self.out.flush().map_err(|source| self.failed(source))?;
        self.ledger.flush()
    }

    /// Makes results and then records durable, so that they survive a power cut.
    ///
    /// # Errors
    /// [`BatchError::Write`], [`BatchError::Ledger`].
    pub(crate) fn sync(&mut self) -> Result<(), BatchError> {
        if self.is_dirty {
            self.out.sync().map_err(|source| self.failed(source))?;
            self.ledger.sync()?;
            self.is_dirty = false;
        }
        Ok(())
    }

    /// Keeps the first `count` results, and moves those of the others that are wanted to the spare file. Returns that file, if
    /// there is one.
    ///
    /// # Errors
    /// [`BatchError::Write`], [`BatchError::Ledger`].
    pub(crate) fn set_aside(
        &mut self,
        count: u64,
        is_wanted: impl Fn(u64) -> bool,
    ) -> Result<Option<Spare>, BatchError> {
        let has_more = count < self.count();
        let Some(mut spare) = Spare::open(&spare_path(&self.path), has_more)? else { return Ok(None) };
        if has_more {
            let mut begin = if count == 0 { 0 } else { self.ledger.record(count - 1)?.end };
            let cut_at = begin;
            for (number, record) in (count..).zip(self.ledger.read_from(count)?) {
                let record = record?;
                if is_wanted(number) {
                    let result = self.out.read(begin, record.end).map_err(|source| self.failed(source))?;
                    spare.add(&record, &result)?;
                }
                begin = record.end;
            }
            spare.sync()?;
            self.ledger.cut(count)?;
            self.out.cut(cut_at).map_err(|source| self.failed(source))?;
        }
        Ok(Some(spare))
    }

    /// Appends what is in the spare file, and removes that file.
    ///
    /// # Errors
    /// [`BatchError::Write`], [`BatchError::Ledger`].
    pub(crate) fn take_back(&mut self) -> Result<(), BatchError> {
        if let Some(mut spare) = Spare::open(&spare_path(&self.path), false)? {
            spare.for_each(|record, result| self.append(*record, result))?;
            self.sync()?;
        }
        self.remove_spare()
    }

    /// Removes the spare file, if there is one.
    ///
    /// # Errors
    /// [`BatchError::Write`].
    pub(crate) fn remove_spare(&self) -> Result<(), BatchError> {
        match std::fs::remove_file(spare_path(&self.path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(error)),
            _ => Ok(()),
        }
    }

    /// Removes the results that are not wanted.
    ///
    /// # Errors
    /// [`BatchError::Write`], [`BatchError::Ledger`].
    pub(crate) fn retain(&mut self, is_wanted: impl Fn(u64) -> bool) -> Result<(), BatchError> {
        self.sync()?;
        if let Some(first) = (0..self.count()).find(|number| !is_wanted(*number)) {
            self.set_aside(first, is_wanted)?;
            self.take_back()?;
        }
        Ok(())
    }

    /// The ledger.
    pub(crate) const fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    fn failed(&self, source: io::Error) -> BatchError {
        BatchError::Write { path: self.path.clone(), source }
    }
}

/// Checks that results are those of their ledger. Returns the ledger, its manifest, and the number of its results that count.
///
/// # Errors
/// [`BatchError::EditedOutput`], [`BatchError::DamagedLedger`], unless that is forced.
pub(super) fn checked(path: &Path, opened: Opened, options: &Options) -> Result<(Ledger, Manifest, u64), BatchError> {
    let Opened { mut ledger, manifest, damage } = opened;
    let intact = verified(path, &mut ledger)?;
    if intact < ledger.records() && !options.force {
        return Err(BatchError::EditedOutput { path: path.to_owned(), number: intact + 1 });
    }
    match damage.filter(|_| !options.force) {
        Some(what) => Err(BatchError::DamagedLedger { path: ledger.path().to_owned(), what, intact }),
        None => Ok((ledger, manifest, intact)),
    }
}

/// Path of the file of results that do not yet have their place.
pub(crate) fn spare_path(path: &Path) -> PathBuf {
    beside(path, ".mer.kept")
}

fn open_out(path: &Path) -> io::Result<File> {
    mer_files::external().read().write().create(0o666).open(path)
}

#[cfg_attr(not(test), expect(unused_variables, reason = "only tests fill a device"))]
fn disk(file: File, length: u64, options: &Options) -> Disk {
    let disk = Disk::new(file, length);
    #[cfg(test)]
    let disk = disk.with_full_at(options.full_at);
    disk
}

/// Fails if results or a ledger are there.
pub(super) fn refuse_existing(path: &Path, ledger_path: &Path) -> Result<(), BatchError> {
    let has_ledger = std::fs::metadata(ledger_path).is_ok_and(|meta| meta.is_file() && meta.len() > 0);
    let has_results = std::fs::metadata(path).is_ok_and(|meta| meta.is_dir() || meta.len() > 0);
    if has_ledger || has_results {
        return Err(BatchError::OutputExists { path: path.to_owned(), has_ledger });
    }
    Ok(())
}

/// Opens a ledger, and checks that it is of the same subject. Returns nothing if there is none, or if it is of no use and may
/// be overwritten.
pub(super) fn opened(
    path: &Path,
    manifest: &Manifest,
    options: &Options,
    boot: [u8; 16],
) -> Result<Option<Opened>, BatchError> {
    match existing(path, options, boot)? {
        Some(opened) => of_subject(path, opened, manifest, options),
        None => Ok(None),
    }
}

/// Opens a ledger. Returns nothing if there is none, or if it is of no use and may be overwritten.
pub(super) fn existing(path: &Path, options: &Options, boot: [u8; 16]) -> Result<Option<Opened>, BatchError> {
    match Ledger::open(path, boot) {
        Err(BatchError::DamagedLedger { intact: 0, .. }) if options.force => Ok(None),
        opened => opened,
    }
}

/// Checks that a ledger is of this subject. Returns nothing if its results cannot be used, and may be overwritten.
pub(super) fn of_subject(
    path: &Path,
    opened: Opened,
    manifest: &Manifest,
    options: &Options,
) -> Result<Option<Opened>, BatchError> {
    if let Some((what, was, is)) = opened.manifest.difference(manifest) {
        if !options.force {
            let (was, is) = (was.to_owned(), is.to_owned());
            return Err(BatchError::OtherSubject { path: path.to_owned(), what, was, is });
        }
        if !opened.manifest.has_same_form(manifest) {
            return Ok(None);
        }
    }
    Ok(Some(opened))
}

/// Number of results from the first on that are what the ledger says.
fn verified(path: &Path, ledger: &mut Ledger) -> Result<u64, BatchError> {
    let failed = |source| BatchError::Write { path: path.to_owned(), source };
    let file = match mer_files::external().read().open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        file => file.map_err(failed)?,
    };
    let length = file.metadata().map_err(failed)?.len();
    let mut reader = BufReader::with_capacity(256 << 10, file);
    let (mut intact, mut begin, mut result) = (0, 0, Vec::new());
    for record in ledger.read_from(0)? {
        let record = record?;
        let size = record.end.checked_sub(begin).filter(|_| record.end <= length);
        let Some(size) = size.and_then(|size| usize::try_from(size).ok()) else { break };
        result.resize(size, 0);
        reader.read_exact(&mut result).map_err(failed)?;
        if short_hash(&result) != record.result {
            break;
        }
        (intact, begin) = (intact + 1, record.end);
    }
    Ok(intact)
}
