//! Opens an input, and notices when its file changes while it is read.

use std::{
    fs::{File, Metadata},
    io::{self, Read, Seek as _},
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use crate::{error::BatchError, options::Input};

/// What changes when a file is written to: device, inode, size, time of the last change in seconds and nanoseconds.
type Version = (u64, u64, u64, i64, i64);

/// An open input.
pub(crate) enum Source {
    /// A regular file, and what it was when it was opened.
    Regular {
        /// Its path, where it has one.
        path: Option<PathBuf>,
        /// The file.
        file: File,
        /// What it was when it was opened.
        version: Version,
        /// Place in the file where the input begins, in bytes: a program before may have read a part of it.
        begin: u64,
        /// Place of the next byte for a reader besides the first one, which moves the place of the open file itself.
        besides: Option<u64>,
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
            Input::Open(mut file) => {
                let meta = file.metadata().ok().filter(Metadata::is_file);
                // Reading says what is wrong with a file that has no place.
                Ok(match meta.and_then(|meta| Some((version(&meta), file.stream_position().ok()?))) {
                    Some((version, begin)) => Self::Regular { path: None, file, version, begin, besides: None },
                    None => Self::Stream(Box::new(file)),
                })
            }
            Input::File(path) => {
                Self::open_file(&path, is_wanted).map_err(|source| BatchError::OpenInput { path, source })
            }
        }
    }

    fn open_file(path: &Path, is_wanted: impl Fn() -> bool) -> io::Result<Self> {
        if std::fs::metadata(path)?.is_file() {
            let file = mer_files::external().read().open(path)?;
            let version = version(&file.metadata()?);
            return Ok(Self::Regular { path: Some(path.to_owned()), file, version, begin: 0, besides: None });
        }
        let pipe = mer_files::open_input(path)?.wait(is_wanted)?;
        Ok(Self::Stream(
            pipe.map_or_else(|| Box::new(io::empty()) as Box<dyn Read + Send>, |fd| Box::new(File::from(fd))),
        ))
    }

    /// Returns a second reader of a regular file, from the beginning of the input, which the first one does not notice. Returns
    /// nothing for a stream.
    ///
    /// # Errors
    /// [`BatchError::ReadInput`], [`BatchError::InputChanged`].
    pub(crate) fn again(&self) -> Result<Option<Self>, BatchError> {
        match self {
            Self::Stream(_) => Ok(None),
            Self::Regular { path, file, version, begin, .. } => {
                let file = file.try_clone().map_err(|source| BatchError::ReadInput { line: 1, source })?;
                let (path, version, begin) = (path.clone(), *version, *begin);
                let again = Self::Regular { path, file, version, begin, besides: Some(begin) };
                again.check()?;
                Ok(Some(again))
            }
        }
    }

    /// Returns device and inode of a regular file.
    pub(crate) const fn file_id(&self) -> Option<(u64, u64)> {
        match self {
            Self::Regular { version: (device, inode, ..), .. } => Some((*device, *inode)),
            Self::Stream(_) => None,
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
            Self::Regular { path, file, version: before, .. }
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
            Self::Regular { file, besides: None, .. } => file.read(buffer),
            Self::Regular { file, besides: Some(place), .. } => {
                let read = file.read_at(buffer, *place)?;
                *place += read as u64;
                Ok(read)
            }
            Self::Stream(stream) => stream.read(buffer),
        }
    }
}
