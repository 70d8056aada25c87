//! Reads a segment that its owner may still be writing.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use mer_core::Access;

use super::{
    error::JournalError,
    files,
    format::{Header, Unreadable, decode, header},
};
use crate::embedded::try_lock;

/// Maximum length of a line in bytes. MER writes no line as long, so anything longer is refused before it fills the
/// memory.
const LONGEST: u64 = 16 << 20;

/// One line of a segment.
#[derive(Debug)]
pub(super) enum Line {
    /// An access.
    Access(Box<Access>),
    /// A line that is not an access.
    Corrupt {
        /// The whole line.
        bytes: Vec<u8>,
        /// Why it is not an access.
        reason: String,
    },
    /// The end of the file, with the bytes of an incomplete line behind it.
    End(Vec<u8>),
}

/// A segment that is being drained. If it has no owner, its lock is held meanwhile.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) path: PathBuf,
    /// The header, or why there is none.
    pub(super) header: Result<Header, Unreadable>,
    /// Whether the process that wrote the segment is gone.
    pub(super) orphaned: bool,
    /// Offset of the first access.
    pub(super) first: u64,
    reader: BufReader<File>,
    at: u64,
}

impl Scan {
    /// Opens a segment. Returns `None` if another process has drained and removed it.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, JournalError> {
        let fail = |source| JournalError::Read { path: path.to_path_buf(), source };
        let file = match files::open_segment(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(fail)?,
        };
        // Locked before the first byte is read, so that everything is read that the owner wrote before it went.
        let orphaned = try_lock(&file).map_err(fail)?;
        let mut reader = BufReader::with_capacity(64 << 10, file);
        let mut line = Vec::new();
        let first = read_line(&mut reader, &mut line).map_err(fail)?;
        let header = match line.strip_suffix(b"\n") {
            Some(line) => header(line),
            None => Err(Unreadable::Corrupt("its first line is not complete".to_owned())),
        };
        Ok(Some(Self { path: path.to_path_buf(), header, orphaned, first, reader, at: first }))
    }

    /// Returns the length of the file by now.
    pub(super) fn length(&self) -> u64 {
        self.reader.get_ref().metadata().map_or(0, |meta| meta.len())
    }

    /// Returns the offset of the next line.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    /// Continues at the beginning of a line.
    pub(super) fn seek(&mut self, at: u64) -> Result<(), JournalError> {
        self.at = at;
        self.reader.seek(SeekFrom::Start(at)).map(drop).map_err(|source| self.fail(source))
    }

    /// Reads the next line.
    pub(super) fn next(&mut self) -> Result<Line, JournalError> {
        let mut bytes = Vec::new();
        read_line(&mut self.reader, &mut bytes).map_err(|source| self.fail(source))?;
        if bytes.pop_if(|last| *last == b'\n').is_none() {
            return Ok(Line::End(bytes));
        }
        self.at += bytes.len() as u64 + 1;
        Ok(match decode(&bytes) {
            Ok(access) => Line::Access(access),
            Err(reason) => Line::Corrupt { bytes, reason },
        })
    }

    pub(super) fn fail(&self, source: io::Error) -> JournalError {
        JournalError::Read { path: self.path.clone(), source }
    }
}

/// Reads up to the end of a line or of the file, and returns the number of bytes.
fn read_line(reader: &mut BufReader<File>, line: &mut Vec<u8>) -> io::Result<u64> {
    let read = reader.take(LONGEST).read_until(b'\n', line)? as u64;
    if read == LONGEST { Err(io::Error::other("it has a line that is too long")) } else { Ok(read) }
}
