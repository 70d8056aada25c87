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

/// Files that arrive.
#[derive(Debug)]
pub(super) struct ReceivedFiles {
    folder: PathBuf,
    /// Bytes before the next file.
    head: Vec<u8>,
    current: Option<(File, u64)>,
    done: FetchedFiles,
    is_complete: bool,
}

impl ReceivedFiles {
    /// Makes the folder.
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let (head, current, done) = (Vec::new(), None, FetchedFiles::default());
        Ok(Self { folder: folder.to_owned(), head, current, done, is_complete: false })
    }

    /// Writes what has arrived.
    pub(super) fn write(&mut self, mut chunk: &[u8]) -> io::Result<()> {
        while !chunk.is_empty() {
            if let Some((file, left)) = &mut self.current {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(chunk.len());
                file.write_all(&chunk[..take])?;
                *left -= take as u64;
                chunk = &chunk[take..];
                if *left == 0 {
                    self.current = None;
                }
                continue;
            }
            self.head.push(chunk[0]);
            chunk = &chunk[1..];
            if let Some((path, length)) = self.next_file()? {
                self.open(&path, length)?;
            }
        }
        Ok(())
    }

    /// Returns what was written.
    ///
    /// # Errors
    /// Not everything has arrived: a file was changed while it was sent.
    pub(super) fn finish(self) -> io::Result<FetchedFiles> {
        if self.is_complete && self.current.is_none() && self.head.is_empty() { Ok(self.done) } else { Err(broken()) }
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

    fn open(&mut self, path: &Path, length: u64) -> io::Result<()> {
        let parts: Vec<_> = path.components().filter(|part| *part != Component::CurDir).collect();
        if parts.is_empty() || !parts.iter().all(|part| matches!(part, Component::Normal(_))) {
            return Err(io::Error::other("a path leads out of the folder"));
        }
        let path = parts.into_iter().fold(self.folder.clone(), |folder, part| folder.join(part));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let file = mer_files::internal().write().create_new(0o644).open(&path)?;
        self.done.files += 1;
        self.done.bytes += length;
        self.current = (length > 0).then_some((file, length));
        Ok(())
    }
}

fn broken() -> io::Error {
    io::Error::other("what arrived is not complete: a file may have changed while it was sent")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(bytes: &[u8], piece: usize) -> io::Result<(tempfile::TempDir, FetchedFiles)> {
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
}
