//! Lines as they come from a file or from standard input.

use bytes::{Bytes, BytesMut};
use mer_meal::Input;

use super::line::Line;
use crate::{
    app::{Failure, Source},
    error::{CliError, Kind},
};

/// The longest line that is kept in memory.
const LONGEST: usize = 64 << 20;

/// Reads lines.
#[derive(Debug)]
pub(super) struct Lines {
    /// As messages show it.
    name: String,
    input: Input,
    failure: Failure,
    buffer: BytesMut,
    /// So much of the buffer holds no newline.
    looked: usize,
    /// The lines so far.
    pub(super) count: u64,
    /// Their bytes.
    pub(super) bytes: usize,
}

impl Lines {
    pub(super) fn of(source: Source, name: String) -> Self {
        let failure = source.failure();
        Self { name, input: source.input, failure, buffer: BytesMut::new(), looked: 0, count: 0, bytes: 0 }
    }

    /// The next line, or nothing at the end.
    ///
    /// # Errors
    /// It cannot be read (74), or is none of ours (65).
    pub(super) async fn next(&mut self) -> Result<Option<Line>, CliError> {
        let Some(line) = self.next_bytes().await? else { return Ok(None) };
        self.count += 1;
        self.bytes += line.len();
        serde_json::from_slice(&line).map(Some).map_err(|error| self.wrong("cannot be read").caused_by(error))
    }

    /// That the last line is wrong.
    pub(super) fn wrong(&self, what: &str) -> CliError {
        CliError::new(Kind::Input, format!("line {} of `{}` {what}", self.count, self.name))
    }

    /// That something is wrong with the whole.
    pub(super) fn wrong_whole(&self, what: &str) -> CliError {
        CliError::new(Kind::Input, format!("`{}` {what}", self.name))
    }

    async fn next_bytes(&mut self) -> Result<Option<Bytes>, CliError> {
        loop {
            if let Some(at) = self.buffer[self.looked..].iter().position(|byte| *byte == b'\n') {
                let mut line = self.buffer.split_to(self.looked + at + 1);
                line.truncate(line.len() - 1);
                self.looked = 0;
                return Ok(Some(line.freeze()));
            }
            self.looked = self.buffer.len();
            if self.looked > LONGEST {
                self.count += 1;
                return Err(self.wrong("is too long"));
            }
            let chunk = match &mut self.input {
                Input::Bytes(bytes) => Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty()),
                Input::Stream(chunks) => chunks.recv().await.and_then(Result::ok),
            };
            match chunk {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => {
                    self.failure.check()?;
                    // A last line without its newline has been cut off, or typed by hand.
                    let rest = std::mem::take(&mut self.buffer).freeze();
                    self.looked = 0;
                    return Ok(Some(rest).filter(|rest| !rest.is_empty()));
                }
            }
        }
    }
}
