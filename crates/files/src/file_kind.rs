//! Kinds of file, and the error for one that is not regular.

use std::{
    error::Error,
    fmt,
    fs::{self, FileType},
    io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::Path,
};

/// The kinds of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A folder.
    Folder,
    /// A named pipe, or a pipe without a name.
    Pipe,
    /// A socket.
    Socket,
    /// A device of characters or of blocks.
    Device,
    /// A symbolic link.
    Link,
}

impl FileKind {
    /// The kind of a file of this type.
    #[must_use]
    pub fn of(file_type: FileType) -> Self {
        match file_type {
            kind if kind.is_dir() => Self::Folder,
            kind if kind.is_symlink() => Self::Link,
            kind if kind.is_fifo() => Self::Pipe,
            kind if kind.is_socket() => Self::Socket,
            kind if kind.is_char_device() || kind.is_block_device() => Self::Device,
            _ => Self::Regular,
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Regular => "a regular file",
            Self::Folder => "a folder",
            Self::Pipe => "a named pipe",
            Self::Socket => "a socket",
            Self::Device => "a device",
            Self::Link => "a symbolic link",
        })
    }
}

/// The file is not a regular one. Wrapped in the [`io::Error`] that opening returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotRegular(pub FileKind);

impl NotRegular {
    /// Returns the kind of file that an error of this crate names, if it names one.
    #[must_use]
    pub fn within(error: &io::Error) -> Option<FileKind> {
        error.get_ref()?.downcast_ref::<Self>().map(|Self(kind)| *kind)
    }
}

impl fmt::Display for NotRegular {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it is {}, and must be a regular file", self.0)
    }
}

impl Error for NotRegular {}

impl From<NotRegular> for io::Error {
    fn from(error: NotRegular) -> Self {
        let kind = match error.0 {
            FileKind::Folder => io::ErrorKind::IsADirectory,
            _ => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

/// Major and minor number of the null device, the same on every Linux.
const NULL_DEVICE: (u32, u32) = (1, 3);

/// Checks that a file is regular. With `null_is_empty` the null device is accepted too, as an empty file.
pub(crate) fn check(meta: &fs::Metadata, null_is_empty: bool) -> io::Result<()> {
    let device = (rustix::fs::major(meta.rdev()), rustix::fs::minor(meta.rdev()));
    match FileKind::of(meta.file_type()) {
        FileKind::Regular => Ok(()),
        FileKind::Device if null_is_empty && meta.file_type().is_char_device() && device == NULL_DEVICE => Ok(()),
        other => Err(NotRegular(other).into()),
    }
}

/// Replaces an error of opening by [`NotRegular`] where the kernel's message explains nothing: it reports "no such device or
/// address" for a pipe, and "too many levels of symbolic links" for a link.
pub(crate) fn explained(path: &Path, follows: bool, error: io::Error) -> io::Error {
    use rustix::io::Errno;
    let unclear = [Errno::NXIO, Errno::LOOP, Errno::ISDIR, Errno::NODEV, Errno::OPNOTSUPP];
    if !Errno::from_io_error(&error).is_some_and(|errno| unclear.contains(&errno)) {
        return error;
    }
    let found = if follows { fs::metadata(path) } else { fs::symlink_metadata(path) };
    match found.map(|meta| FileKind::of(meta.file_type())) {
        Ok(FileKind::Regular) | Err(_) => error,
        Ok(other) => NotRegular(other).into(),
    }
}
