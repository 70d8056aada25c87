//! Folders that only their owner may enter.

use std::{
    fs::{DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
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

/// Returns whether [`check_private_dir`] has found a folder that others can use. The system's own refusals do not count.
#[must_use]
pub fn is_not_private(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}

/// Checks that a folder is one that only this user can use: no link, owned by this user, and with no permission for others.
///
/// # Errors
/// Errors of the system; [`io::ErrorKind::PermissionDenied`] if others can use it.
pub fn check_private_dir(path: &Path) -> io::Result<()> {
    let found = std::fs::symlink_metadata(path)?;
    let why = if !found.is_dir() {
        "is no folder, or a link to one"
    } else if found.uid() != rustix::process::getuid().as_raw() {
        "belongs to another user"
    } else if found.mode() & 0o077 != 0 {
        "can be entered by others; its mode must be 0700"
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("`{}` {why}", path.display())))
}
