//! Files that appear complete or not at all.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::internal;

/// A new file under a temporary name in the folder of its final one. It is removed when this is dropped before
/// [`AtomicFile::rename`].
#[derive(Debug)]
pub struct AtomicFile {
    file: File,
    temporary: Temporary,
}

/// A temporary name; nothing once the file has its final one.
#[derive(Debug)]
struct Temporary(Option<PathBuf>);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

impl AtomicFile {
    /// Creates the file under its temporary name, for writing, with this mode.
    ///
    /// # Errors
    /// Errors of the system; [`io::ErrorKind::AlreadyExists`] if something has this name already.
    pub fn create(temporary: PathBuf, mode: u32) -> io::Result<Self> {
        let file = internal().write().create_new(mode).open(&temporary)?;
        Ok(Self { file, temporary: Temporary(Some(temporary)) })
    }

    /// The open file.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its final name, replaces what had this name, and returns the open file. Sync it before if it has to
    /// survive a power cut.
    ///
    /// # Errors
    /// Errors of the system; the temporary file is removed then.
    pub fn rename(mut self, path: &Path) -> io::Result<File> {
        if let Some(temporary) = &self.temporary.0 {
            fs::rename(temporary, path)?;
        }
        self.temporary.0 = None;
        Ok(self.file)
    }
}

impl io::Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Replaces the content of a file atomically; the file gets mode 0600. It is not synced: a power cut may lose it, so it must
/// be something that can be made again.
///
/// # Errors
/// Errors of the system; the old file stays then, and nothing is left beside it.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", uuid::Uuid::now_v7().simple()));
    let mut file = AtomicFile::create(temporary.into(), 0o600)?;
    file.write_all(content)?;
    file.rename(path).map(drop)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::replace;
    use crate::{create_private_dir, is_at};

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
