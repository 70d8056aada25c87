//! Making what belongs to one user, and putting files in place.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use crate::own;

/// Makes a folder and those above it, open to their owner only. One that exists stays as it is.
///
/// # Errors
/// Those of the system.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Puts a file that only its owner can read in place, whole or not at all. It need not survive a power cut: what is written so
/// can be made again.
///
/// # Errors
/// Those of the system; nothing is left behind then.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut temp = path.as_os_str().to_owned();
    temp.push(format!(".{}.tmp", uuid::Uuid::now_v7().simple()));
    let temp = PathBuf::from(temp);
    let written = write_private(&temp, content).and_then(|()| fs::rename(&temp, path));
    if written.is_err() {
        let _ = fs::remove_file(&temp);
    }
    written
}

fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = own().write().create_new(0o600).open(path)?;
    file.write_all(content)
}

/// Whether an open file is the one at a path.
///
/// # Errors
/// Those of the system; that there is no file is none.
pub fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let there = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        there => there?,
    };
    let ours = file.metadata()?;
    Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino()))
}
