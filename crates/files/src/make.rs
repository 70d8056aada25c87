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

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::{create_private_dir, is_at, replace};

    #[test]
    fn a_file_is_replaced_whole_and_is_private() {
        let folder = tempfile::tempdir().expect("a folder");
        let (private, file) = (folder.path().join("a/b"), folder.path().join("a/b/file"));
        create_private_dir(&private).expect("made");
        for path in [&private, &folder.path().join("a")] {
            assert_eq!(fs::metadata(path).expect("a folder").permissions().mode() & 0o777, 0o700);
        }
        replace(&file, b"first").expect("written");
        let open = fs::File::open(&file).expect("the file");
        assert!(is_at(&open, &file).expect("looked at"));
        replace(&file, b"second").expect("replaced");
        assert!(!is_at(&open, &file).expect("looked at"), "it is another file");
        assert_eq!(fs::read(&file).expect("the file"), b"second");
        assert_eq!(fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);
        assert!(!is_at(&open, &folder.path().join("none")).expect("looked at"));
    }

    #[test]
    fn nothing_is_left_of_a_replacement_that_failed() {
        let folder = tempfile::tempdir().expect("a folder");
        let taken = folder.path().join("taken");
        fs::create_dir_all(taken.join("in")).expect("a folder in the way");
        replace(&taken, b"x").expect_err("a folder that is not empty");
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1);
    }
}
