//! Opens an input, and notices when its file changes while it is read.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::{error::BatchError, options::Input};

/// What changes when a file is written to: device, inode, size, time of the last change in seconds and nanoseconds.
type Version = (u64, u64, u64, i64, i64);

/// An open input.
pub(crate) enum Source {
    /// A regular file, and what it was when it was opened.
    Regular {
        /// Its path.
        path: PathBuf,
        /// The file.
        file: File,
        /// What it was when it was opened.
        version: Version,
    },
    /// Anything else.
    Stream(Box<dyn Read + Send>),
}

impl Source {
    /// Opens an input. A named pipe is waited for while `is_wanted`.
    ///
    /// # Errors
    /// [`BatchError::OpenInput`].
    pub(crate) fn open(input: Input, is_wanted: impl Fn() -> bool) -> Result<Self, BatchError> {
        match input {
            Input::Stream(stream) => Ok(Self::Stream(stream)),
            Input::File(path) => {
                Self::open_file(&path, is_wanted).map_err(|source| BatchError::OpenInput { path, source })
            }
        }
    }

    fn open_file(path: &Path, is_wanted: impl Fn() -> bool) -> io::Result<Self> {
        if std::fs::metadata(path)?.is_file() {
            let file = mer_files::external().read().open(path)?;
            let version = version(&file.metadata()?);
            return Ok(Self::Regular { path: path.to_owned(), file, version });
        }
        let pipe = mer_files::open_input(path)?.wait(is_wanted)?;
        Ok(Self::Stream(
            pipe.map_or_else(|| Box::new(io::empty()) as Box<dyn Read + Send>, |fd| Box::new(File::from(fd))),
        ))
    }

    /// Opens a regular file again, from its beginning. Returns nothing for a stream.
    ///
    /// # Errors
    /// [`BatchError::OpenInput`].
    pub(crate) fn again(&self) -> Result<Option<Self>, BatchError> {
        match self {
            Self::Stream(_) => Ok(None),
            Self::Regular { path, version, .. } => {
                let opened = mer_files::external().read().open(path);
                let file = opened.map_err(|source| BatchError::OpenInput { path: path.clone(), source })?;
                let again = Self::Regular { path: path.clone(), file, version: *version };
                again.check()?;
                Ok(Some(again))
            }
        }
    }

    /// Whether it is a regular file.
    pub(crate) const fn is_regular(&self) -> bool {
        matches!(self, Self::Regular { .. })
    }

    /// Checks that a regular file is still the one that was opened.
    ///
    /// # Errors
    /// [`BatchError::InputChanged`].
    pub(crate) fn check(&self) -> Result<(), BatchError> {
        match self {
            Self::Regular { path, file, version: before }
                if !file.metadata().is_ok_and(|now| version(&now) == *before) =>
            {
                Err(BatchError::InputChanged { path: path.clone() })
            }
            _ => Ok(()),
        }
    }
}

fn version(meta: &Metadata) -> Version {
    (meta.dev(), meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec())
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Regular { file, .. } => file.read(buffer),
            Self::Stream(stream) => stream.read(buffer),
        }
    }
}
