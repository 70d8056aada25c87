//! Reading a segment that may still be written to.

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

/// No line that MER writes is as long: something else was put there, and it is not to fill the memory.
const LONGEST: u64 = 16 << 20;

/// One line of a segment.
#[derive(Debug)]
pub(super) enum Line {
    /// An access.
    Access(Box<Access>),
    /// Something else.
    Corrupt {
        /// The line as it is.
        bytes: Vec<u8>,
        /// Why it is no access.
        reason: String,
    },
    /// The end; a line that is not complete stands behind it, or nothing.
    End(Vec<u8>),
}

/// A segment under the eyes of whoever drains it. Of one without an owner the lock is held meanwhile.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) path: PathBuf,
    /// What the first line says, or why it says nothing.
    pub(super) header: Result<Header, Unreadable>,
    /// Whether the process that wrote it is gone.
    pub(super) orphaned: bool,
    /// Where the first access begins.
    pub(super) first: u64,
    reader: BufReader<File>,
    at: u64,
}

impl Scan {
    /// Opens a segment. Nothing: it is gone, because somebody else drained it.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, JournalError> {
        let fail = |source| JournalError::Read { path: path.to_path_buf(), source };
        let file = match files::open_segment(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(fail)?,
        };
        // Before the first byte is read: what an owner wrote before it went is read then.
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

    /// How many bytes there are by now.
    pub(super) fn length(&self) -> u64 {
        self.reader.get_ref().metadata().map_or(0, |meta| meta.len())
    }

    /// Where the next line begins.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    /// Goes to where a line begins.
    pub(super) fn seek(&mut self, at: u64) -> Result<(), JournalError> {
        self.at = at;
        self.reader.seek(SeekFrom::Start(at)).map(drop).map_err(|source| self.fail(source))
    }

    /// The next line.
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

/// Reads up to the end of a line, or of the file. Gives how many bytes there were.
fn read_line(reader: &mut BufReader<File>, line: &mut Vec<u8>) -> io::Result<u64> {
    let read = reader.take(LONGEST).read_until(b'\n', line)? as u64;
    if read == LONGEST { Err(io::Error::other("it has a line that is too long")) } else { Ok(read) }
}
