//! Writes files that arrive one after the other: lengths of path and content, path, content.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Component, Path, PathBuf},
};

/// Maximum length of the line before a file, and of its path, in bytes.
const LONGEST_LINE: usize = 8 * 1024;

/// Files that were fetched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FetchedFiles {
    /// Their number.
    pub files: u64,
    /// Their length in bytes.
    pub bytes: u64,
}

/// A file or folder that could not be written.
#[derive(Debug)]
pub(super) struct Unwritten {
    pub(super) path: PathBuf,
    pub(super) source: io::Error,
}

/// Files that arrive. Dropping them before [`ReceivedFiles::finish`] removes what was written: otherwise a second attempt would
/// find files in its way.
#[derive(Debug)]
pub(super) struct ReceivedFiles {
    folder: PathBuf,
    /// Bytes before the next file.
    head: Vec<u8>,
    current: Option<(File, u64)>,
    /// Files and folders that were made, in this order.
    made: Vec<PathBuf>,
    done: FetchedFiles,
    is_complete: bool,
}

impl ReceivedFiles {
    /// Makes the folder.
    pub(super) fn new(folder: &Path) -> Result<Self, Unwritten> {
        let (head, current, made, done) = (Vec::new(), None, Vec::new(), FetchedFiles::default());
        let mut new = Self { folder: folder.to_owned(), head, current, made, done, is_complete: false };
        new.make_folder(folder).map_err(|source| Unwritten { path: folder.to_owned(), source })?;
        Ok(new)
    }

    /// Writes what has arrived.
    pub(super) fn write(&mut self, mut chunk: &[u8]) -> Result<(), Unwritten> {
        while !chunk.is_empty() {
            if let Some((file, left)) = &mut self.current {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(chunk.len());
                if let Err(source) = file.write_all(&chunk[..take]) {
                    let path = self.made.last().unwrap_or(&self.folder).clone();
                    return Err(Unwritten { path, source });
                }
                *left -= take as u64;
                chunk = &chunk[take..];
                if *left == 0 {
                    self.current = None;
                }
                continue;
            }
            self.head.push(chunk[0]);
            chunk = &chunk[1..];
            if let Some((path, length)) = self.next_file().map_err(|source| self.unwritten(source))? {
                self.open(&path, length)?;
            }
        }
        Ok(())
    }

    fn unwritten(&self, source: io::Error) -> Unwritten {
        Unwritten { path: self.folder.clone(), source }
    }

    /// Makes a folder, and those that it is in.
    fn make_folder(&mut self, folder: &Path) -> io::Result<()> {
        let missing: Vec<_> =
            folder.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.is_dir()).collect();
        for path in missing.into_iter().rev() {
            match fs::create_dir(path) {
                Ok(()) => self.made.push(path.to_owned()),
                // Another process has made it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns what was written.
    ///
    /// # Errors
    /// Not everything has arrived: a file was changed while it was sent.
    pub(super) fn finish(mut self) -> Result<FetchedFiles, Unwritten> {
        if !self.is_complete || self.current.is_some() || !self.head.is_empty() {
            return Err(self.unwritten(broken()));
        }
        self.made.clear();
        Ok(self.done)
    }

    /// Returns path and length of the next file, once both are there.
    fn next_file(&mut self) -> io::Result<Option<(PathBuf, u64)>> {
        if self.is_complete || self.head.len() > LONGEST_LINE {
            return Err(broken());
        }
        let Some(end) = self.head.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let lengths = std::str::from_utf8(&self.head[..end]).ok().and_then(|line| line.split_once(' '));
        let lengths = lengths.and_then(|(path, content)| path.parse::<usize>().ok().zip(content.parse::<u64>().ok()));
        let (path_length, length) = lengths.ok_or_else(broken)?;
        if path_length == 0 {
            self.is_complete = true;
            self.head.clear();
            return Ok(None);
        }
        if self.head.len() < end + path_length + 2 {
            return Ok(None);
        }
        use std::os::unix::ffi::OsStrExt as _;
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(&self.head[end + 1..=end + path_length]));
        self.head.clear();
        Ok(Some((path, length)))
    }

    fn open(&mut self, path: &Path, length: u64) -> Result<(), Unwritten> {
        let parts: Vec<_> = path.components().filter(|part| *part != Component::CurDir).collect();
        if parts.is_empty() || !parts.iter().all(|part| matches!(part, Component::Normal(_))) {
            return Err(self.unwritten(io::Error::other("a path leads out of the folder")));
        }
        let path = parts.into_iter().fold(self.folder.clone(), |folder, part| folder.join(part));
        let parent = path.parent().unwrap_or(&self.folder).to_owned();
        let made = self.make_folder(&parent);
        let opened = made.and_then(|()| mer_files::internal().write().create_new(0o644).open(&path));
        let file = opened.map_err(|source| Unwritten { path: path.clone(), source })?;
        self.made.push(path);
        self.done.files += 1;
        self.done.bytes += length;
        self.current = (length > 0).then_some((file, length));
        Ok(())
    }
}

impl Drop for ReceivedFiles {
    fn drop(&mut self) {
        for path in self.made.iter().rev() {
            // A folder stays if something else was put into it.
            let _ = fs::remove_file(path).or_else(|_| fs::remove_dir(path));
        }
    }
}

fn broken() -> io::Error {
    io::Error::other("what arrived is not complete: a file may have changed while it was sent")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(bytes: &[u8], piece: usize) -> Result<(tempfile::TempDir, FetchedFiles), Unwritten> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut received = ReceivedFiles::new(&folder.path().join("new"))?;
        bytes.chunks(piece).try_for_each(|chunk| received.write(chunk))?;
        received.finish().map(|done| (folder, done))
    }

    #[test]
    fn files_arrive_however_they_are_cut() {
        let bytes = b"8 3\n./stdout\nab\n8 0\n./stderr\n17 5\n./artefacts/x\ny/z\nkept\n0 0\n";
        for piece in 1..bytes.len() {
            let (folder, done) = receive(bytes, piece).expect("files");
            assert_eq!(done, FetchedFiles { files: 3, bytes: 8 });
            let read = |name: &str| fs::read_to_string(folder.path().join("new").join(name)).expect("a file");
            assert_eq!((read("stdout"), read("stderr")), ("ab\n".to_owned(), String::new()));
            assert_eq!(read("artefacts/x\ny/z"), "kept\n");
        }
    }

    #[test]
    fn what_is_not_complete_or_leads_elsewhere_is_refused() {
        for wrong in [
            "",
            "8 3\n./stdout\nab",
            "8 3\n./stdout\nab\n",
            "0 0\nx",
            "7 1\n../away\nx0 0\n",
            "2 1\n/x\ny0 0\n",
            "noise\n",
        ] {
            assert!(receive(wrong.as_bytes(), 3).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_was_written_is_removed_if_not_everything_arrives() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("mine"), "mine").expect("a file");
        let to = folder.path().join("a/b");
        let mut received = ReceivedFiles::new(&to).expect("a folder");
        received.write(b"8 3\n./stdout\nab\n15 5\n./artefacts/x/y\nke").expect("files");
        assert!(to.join("artefacts/x/y").exists());
        drop(received);
        let left: Vec<_> = fs::read_dir(folder.path()).expect("a folder").filter_map(Result::ok).collect();
        assert_eq!(left.len(), 1, "{left:?}");
        let mut received = ReceivedFiles::new(folder.path()).expect("a folder");
        let error = received.write(b"8 0\n./stdout\n6 1\n./mine\nx0 0\n").expect_err("it is there");
        assert!(error.path.ends_with("mine"), "{error:?}");
        drop(received);
        assert_eq!(fs::read_to_string(folder.path().join("mine")).expect("a file"), "mine");
        assert!(!folder.path().join("stdout").exists());
    }
}
