//! Folders that only their owner may enter.

use std::{
    fs::{DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

use rustix::fs::OFlags;

/// Read, write and search, for the owner only.
const MODE: u32 = 0o700;

/// Creates a folder and its missing parents with mode 0700. An existing folder keeps its mode.
///
/// # Errors
/// Errors of the system.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(MODE).create(path)
}

/// Creates a folder with mode 0700 in an existing one.
///
/// # Errors
/// Errors of the system; [`io::ErrorKind::AlreadyExists`] if something has this name already.
pub fn create_new_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(MODE).create(path)
}

/// Opens a folder, to lock or to sync it.
///
/// # Errors
/// The path cannot be opened, or is no folder.
pub fn open_folder(path: impl AsRef<Path>) -> io::Result<File> {
    let flags = i32::try_from(OFlags::DIRECTORY.bits()).unwrap_or_default();
    #[expect(clippy::disallowed_methods, reason = "anything but a folder is refused at once")]
    File::options().read(true).custom_flags(flags).open(path)
}

/// Makes the names in a folder durable.
///
/// # Errors
/// As [`open_folder`], and errors of syncing.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    open_folder(path)?.sync_all()
}
