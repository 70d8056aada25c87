//! Checks of where a batch reads and writes, before it reads or writes anything.

use std::{
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::{
    error::BatchError,
    input::Source,
    options::{Options, Output},
    results::{beside, spare_path},
};

/// Checks that results have a place of the right kind, which can be resumed if that is wanted, and that no two of the files of a
/// batch are the same one.
///
/// # Errors
/// [`BatchError::NotResumable`], [`BatchError::SameFile`], [`BatchError::Write`].
pub(crate) fn check_paths(options: &Options, source: &Source, output: &Output) -> Result<(), BatchError> {
    let wrong = |path: &Path, what: &str| {
        let source = io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
        Err(BatchError::Write { path: path.to_owned(), source })
    };
    let mut files: Vec<(&'static str, FileId)> =
        source.file_id().map(|id| ("the input", FileId::Of(id))).into_iter().collect();
    let mut add = |what: &'static str, path: &Path| match FileId::of(path) {
        None => Ok(()),
        Some(id) => match files.iter().find(|(_, known)| *known == id) {
            Some((first, _)) => Err(BatchError::SameFile { path: path.to_owned(), first, second: what }),
            None => {
                files.push((what, id));
                Ok(())
            }
        },
    };
    match output {
        Output::Stream(_) if options.resume => return Err(BatchError::NotResumable),
        Output::Stream(_) => {}
        Output::File(path) if path.is_dir() => return wrong(path, "it is a folder"),
        Output::File(path) if is_special(path) && options.resume => return Err(BatchError::NotResumable),
        Output::File(path) if is_special(path) => {}
        Output::File(path) => {
            add("the results", path)?;
            add("the ledger", &beside(path, ".mer"))?;
            add("the results that wait", &spare_path(path))?;
        }
        Output::Folder(path) if path.exists() && !path.is_dir() => return wrong(path, "it is no folder"),
        Output::Folder(path) => add("the ledger", &beside(path, ".mer"))?,
    }
    options.errors.as_deref().map_or(Ok(()), |path| add("the errors", path))
}

/// Whether there is a ledger, with which the batch can be resumed.
pub(crate) fn has_ledger(output: &Output) -> bool {
    match output {
        Output::File(path) => !is_special(path),
        Output::Folder(_) => true,
        Output::Stream(_) => false,
    }
}

/// Whether a path is no place for a regular file: a device, a named pipe, or an open file of a process, such as `/dev/fd/3`.
pub(crate) fn is_special(path: &Path) -> bool {
    let is_other = std::fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir());
    is_other || folder_of(path).is_some_and(|folder| folder.starts_with("/proc"))
}

/// Which file a path means.
#[derive(Debug, PartialEq, Eq)]
enum FileId {
    /// Device and inode.
    Of((u64, u64)),
    /// There is none yet: its folder without links, and its name.
    New(PathBuf),
}

impl FileId {
    /// Returns nothing for what may be named twice, such as a device, and what cannot be looked at.
    fn of(path: &Path) -> Option<Self> {
        match std::fs::metadata(path) {
            Ok(meta) => meta.is_file().then(|| Self::Of((meta.dev(), meta.ino()))),
            Err(_) => Some(Self::New(folder_of(path)?.join(path.file_name()?))),
        }
    }
}

/// Returns the folder of a path, without links.
fn folder_of(path: &Path) -> Option<PathBuf> {
    let folder = path.parent()?;
    std::fs::canonicalize(if folder.as_os_str().is_empty() { Path::new(".") } else { folder }).ok()
}
