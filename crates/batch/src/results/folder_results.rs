//! Results in a folder, a file an item, with a ledger beside the folder.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use mer_files::AtomicFile;
use rustix::fs::Access;

use super::{
    file_names::{file_name, key_of},
    file_results::{beside, opened, refuse_existing},
};
use crate::{
    digest::short_hash,
    error::BatchError,
    ledger::{Key, Kind, Ledger, Manifest, Record},
    options::Options,
};

/// Results in a folder.
#[derive(Debug)]
pub(crate) struct FolderResults {
    path: PathBuf,
    ledger: Ledger,
    has_ids: bool,
    is_dirty: bool,
}

impl FolderResults {
    /// Opens the results of an earlier process if the options say so, else creates them.
    ///
    /// # Errors
    /// Everything that [`BatchError`] has about results and ledgers.
    pub(crate) fn open(path: &Path, options: &Options, boot: [u8; 16]) -> Result<Self, BatchError> {
        let failed = |source| BatchError::Write { path: path.to_owned(), source };
        let ledger_path = beside(path, ".mer");
        let manifest = Manifest::new(options, true);
        let refuse = || {
            if fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none()) {
                return refuse_existing(&ledger_path, &ledger_path);
            }
            refuse_existing(path, &ledger_path)
        };
        if !options.resume && !options.force {
            refuse()?;
        }
        let found = if options.resume { opened(&ledger_path, &manifest, options, boot)? } else { None };
        let ledger = if let Some(found) = found {
            let mut ledger = found.ledger;
            if let Some(what) = found.damage.filter(|_| !options.force) {
                return Err(BatchError::DamagedLedger { path: ledger_path, what, intact: ledger.records() });
            }
            let is_other = found.manifest.difference(&manifest).is_some();
            ledger.begin(boot, is_other.then_some(&manifest))?;
            make_folder(path).map_err(failed)?;
            ledger
        } else {
            if !options.force {
                refuse()?;
            }
            // Before the ledger is changed, in case that the results have no place.
            let is_new = make_folder(path).map_err(failed)?;
            Ledger::create(&ledger_path, &manifest, boot).inspect_err(|_| {
                if is_new {
                    // It is empty, and stays where that fails.
                    let _ = fs::remove_dir(path);
                }
            })?
        };
        Ok(Self { path: path.to_owned(), ledger, has_ids: options.id_field.is_some(), is_dirty: false })
    }

    /// The ledger.
    pub(crate) const fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file of an item; removes it if the item failed.
    ///
    /// # Errors
    /// [`BatchError::Write`].
    pub(crate) fn write(&mut self, id: Option<&str>, record: Record, result: &[u8]) -> Result<(), BatchError> {
        let path = self.path.join(file_name(id, record.key));
        let write = || {
            if record.kind != Kind::Done {
                return remove(&path);
            }
            let temporary = self.path.join(format!(".{}.tmp", uuid::Uuid::now_v7().simple()));
            let mut file = AtomicFile::create(temporary, 0o666)?;
            file.write_all(result)?;
            file.rename(&path).map(drop)
        };
        write().map_err(|source| BatchError::Write { path: path.clone(), source })?;
        self.ledger.push(&Record { end: result.len() as u64, result: short_hash(result), ..record });
        self.is_dirty = true;
        Ok(())
    }

    /// Reads the result of the first item with the identity of this one; nothing if that failed.
    ///
    /// # Errors
    /// [`BatchError::Write`].
    pub(crate) fn first_result(&self, id: Option<&str>, key: Key) -> Result<Option<Vec<u8>>, BatchError> {
        let path = self.path.join(file_name(id, Key { occurrence: 0, ..key }));
        match mer_files::read_internal(&path) {
            Ok(result) => Ok(Some(result)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(BatchError::Write { path, source }),
        }
    }

    /// Hands records to the system.
    ///
    /// # Errors
    /// [`BatchError::Ledger`].
    pub(crate) fn flush(&mut self) -> Result<(), BatchError> {
        self.ledger.flush()
    }

    /// Makes files and then records durable.
    ///
    /// # Errors
    /// [`BatchError::Write`], [`BatchError::Ledger`].
    pub(crate) fn sync(&mut self) -> Result<(), BatchError> {
        if self.is_dirty {
            // The whole file system at once: there can be thousands of new files a second.
            let sync = || rustix::fs::syncfs(mer_files::open_folder(&self.path)?).map_err(io::Error::from);
            sync().map_err(|source| BatchError::Write { path: self.path.clone(), source })?;
            self.ledger.sync()?;
            self.is_dirty = false;
        }
        Ok(())
    }

    /// Removes the files of the items for which `is_gone` holds. Only files with the name of an item are looked at.
    ///
    /// # Errors
    /// [`BatchError::Write`], [`BatchError::Ledger`].
    pub(crate) fn remove_gone(&mut self, is_gone: impl Fn(Key) -> Result<bool, BatchError>) -> Result<(), BatchError> {
        let failed = |source| BatchError::Write { path: self.path.clone(), source };
        let mut gone = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            if let Some(key) = name.to_str().and_then(|name| key_of(name, self.has_ids))
                && is_gone(key)?
            {
                gone.push((key, self.path.join(name)));
            }
        }
        for (key, path) in gone {
            remove(&path).map_err(|source| BatchError::Write { path, source })?;
            self.ledger.push(&Record { key, kind: Kind::Removed, end: 0, result: [0; 16], content: [0; 8] });
            self.is_dirty = true;
        }
        self.sync()
    }
}

/// Creates a folder unless it is there. Returns whether it is new. Files can be made in it.
fn make_folder(path: &Path) -> io::Result<bool> {
    let is_new = match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        created => created.map(|()| true)?,
    };
    mer_files::open_folder(path)?;
    rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK)?;
    Ok(is_new)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
