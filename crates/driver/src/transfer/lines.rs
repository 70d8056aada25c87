//! Lines as they come from a file or from standard input.

use bytes::{Bytes, BytesMut};
use mer_core::Invalid;
use mer_meal::Input;

use super::line::Line;
use crate::{errors::CliError, io::next_bytes};

/// The longest line that is kept in memory.
const LONGEST: usize = 64 << 20;

/// Reads lines.
#[derive(Debug)]
pub(super) struct Lines {
    /// As messages show it.
    name: String,
    input: Input,
    buffer: BytesMut,
    /// So much of the buffer holds no newline.
    looked: usize,
    /// The lines so far.
    pub(super) count: u64,
    /// Their bytes.
    pub(super) bytes: usize,
}

impl Lines {
    pub(super) fn of(input: Input, name: String) -> Self {
        Self { name, input, buffer: BytesMut::new(), looked: 0, count: 0, bytes: 0 }
    }

    /// The next line, or nothing at the end.
    ///
    /// # Errors
    /// It cannot be read (74), is none of ours, or has a value that no record has (65).
    pub(super) async fn next(&mut self) -> Result<Option<Line>, CliError> {
        let Some(text) = self.next_bytes().await? else { return Ok(None) };
        self.count += 1;
        self.bytes += text.len();
        let line: Line = serde_json::from_slice(&text).map_err(|error| {
            let field = Line::field_to_blame(&text, &error).map_or(String::new(), |field| format!(": `{field}`"));
            self.wrong(&format!("cannot be read{field}")).caused_by(error)
        })?;
        line.check().map_err(|error| self.refused(self.count, error))?;
        Ok(Some(line))
    }

    /// That the last line is wrong.
    pub(super) fn wrong(&self, what: &str) -> CliError {
        self.wrong_at(self.count, what)
    }

    /// That the line of this number is wrong.
    pub(super) fn wrong_at(&self, line: u64, what: &str) -> CliError {
        CliError::input(format!("line {line} of `{}` {what}", self.name))
    }

    /// That the line of this number says something that cannot be: `why` names the field.
    pub(super) fn refused(&self, line: u64, why: impl std::error::Error + Send + Sync + 'static) -> CliError {
        self.wrong_at(line, "cannot be taken over").caused_by(why)
    }

    /// The same, with the field and what is wrong with it.
    pub(super) fn refused_field(&self, line: u64, field: &'static str, what: impl Into<String>) -> CliError {
        self.refused(line, Invalid { field, what: what.into() })
    }

    /// That something is wrong with the whole.
    pub(super) fn wrong_whole(&self, what: &str) -> CliError {
        CliError::input(format!("`{}` {what}", self.name))
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
            match next_bytes(&mut self.input, &self.name).await? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => {
                    // A last line without its newline has been cut off, or typed by hand.
                    let rest = std::mem::take(&mut self.buffer).freeze();
                    self.looked = 0;
                    return Ok(Some(rest).filter(|rest| !rest.is_empty()));
                }
            }
        }
    }
}
