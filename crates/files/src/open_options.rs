//! Opening what must be a regular file.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use rustix::fs::OFlags;

use crate::file_kind::{check, explained};

/// How a file is opened, as [`OpenOptions`] has it. Whatever lies under the name, [`Options::open`] does not wait.
#[derive(Debug, Clone)]
pub struct Options {
    options: OpenOptions,
    follows: bool,
}

/// A file of MER's own: a link in its place is refused, because a user that may write to the folder would choose what is
/// read and written.
#[must_use]
pub fn own() -> Options {
    Options::new(false)
}

/// A file that a person or another program keeps: links are followed.
#[must_use]
pub fn given() -> Options {
    Options::new(true)
}

impl Options {
    fn new(follows: bool) -> Self {
        // A regular file knows no waiting; every other kind is told not to, until it is known what it is.
        let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        if !follows {
            flags |= OFlags::NOFOLLOW;
        }
        let mut options = OpenOptions::new();
        options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
        Self { options, follows }
    }

    /// To be read.
    #[must_use]
    pub fn read(mut self) -> Self {
        self.options.read(true);
        self
    }

    /// To be written, from its beginning.
    #[must_use]
    pub fn write(mut self) -> Self {
        self.options.write(true);
        self
    }

    /// To be written, each time at its end.
    #[must_use]
    pub fn append(mut self) -> Self {
        self.options.append(true);
        self
    }

    /// Made with this mode where it does not exist.
    #[must_use]
    pub fn create(mut self, mode: u32) -> Self {
        self.options.create(true).mode(mode);
        self
    }

    /// Made with this mode, and an error where it exists.
    #[must_use]
    pub fn create_new(mut self, mode: u32) -> Self {
        self.options.create_new(true).mode(mode);
        self
    }

    /// Emptied.
    #[must_use]
    pub fn truncate(mut self) -> Self {
        self.options.truncate(true);
        self
    }

    /// Opens it.
    ///
    /// # Errors
    /// What the system says; or [`crate::NotRegular`], where it is no regular file.
    pub fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref();
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the place: it does not wait, and looks at what it has opened"
        )]
        let file = self.options.open(path).map_err(|error| explained(path, self.follows, error))?;
        check(&file.metadata()?, self.follows)?;
        Ok(file)
    }
}
