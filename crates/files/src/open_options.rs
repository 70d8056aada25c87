//! Opens files that must be regular.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use rustix::fs::OFlags;

use crate::file_kind::{check, explained};

/// Options for opening a regular file, as in [`OpenOptions`]. [`Options::open`] never blocks, whatever the path leads to.
#[derive(Debug, Clone)]
pub struct Options {
    options: OpenOptions,
    follows: bool,
}

/// Options for a file that MER writes for itself. A symbolic link is refused: otherwise another user with write access to the
/// folder could choose which file is read and written.
#[must_use]
pub fn internal() -> Options {
    Options::new(false)
}

/// Options for a file that a user or another program maintains. Symbolic links are followed.
#[must_use]
pub fn external() -> Options {
    Options::new(true)
}

impl Options {
    fn new(follows: bool) -> Self {
        // A regular file never blocks. For any other kind, NONBLOCK makes opening return, so that its kind can be checked.
        let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        if !follows {
            flags |= OFlags::NOFOLLOW;
        }
        let mut options = OpenOptions::new();
        options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
        Self { options, follows }
    }

    /// Opens for reading.
    #[must_use]
    pub fn read(mut self) -> Self {
        self.options.read(true);
        self
    }

    /// Opens for writing, from the beginning.
    #[must_use]
    pub fn write(mut self) -> Self {
        self.options.write(true);
        self
    }

    /// Opens for writing; every write goes to the end.
    #[must_use]
    pub fn append(mut self) -> Self {
        self.options.append(true);
        self
    }

    /// Creates the file with this mode if it does not exist.
    #[must_use]
    pub fn create(mut self, mode: u32) -> Self {
        self.options.create(true).mode(mode);
        self
    }

    /// Creates the file with this mode, and fails if it exists.
    #[must_use]
    pub fn create_new(mut self, mode: u32) -> Self {
        self.options.create_new(true).mode(mode);
        self
    }

    /// Empties the file.
    #[must_use]
    pub fn truncate(mut self) -> Self {
        self.options.truncate(true);
        self
    }

    /// Opens the file.
    ///
    /// # Errors
    /// Errors of the system; [`crate::NotRegular`] in one of them if it is no regular file.
    pub fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref();
        #[expect(clippy::disallowed_methods, reason = "it does not block, and checks what it has opened")]
        let file = self.options.open(path).map_err(|error| explained(path, self.follows, error))?;
        check(&file.metadata()?, self.follows)?;
        Ok(file)
    }
}
