//! Reads the lines of an export.

use bytes::{Bytes, BytesMut};
use mer_core::Invalid;
use mer_meal::Input;

use super::{error::ImportError, record::Record};
use crate::{byte_stream::next_chunk, error::ServiceError};

/// Maximum number of bytes of a line.
const LONGEST: usize = 64 << 20;

/// Reads lines.
#[derive(Debug)]
pub(super) struct RecordReader {
    /// The name of the input in messages.
    name: String,
    input: Input,
    buffer: BytesMut,
    /// Number of bytes of the buffer that were searched and hold no newline.
    searched: usize,
    /// Number of lines so far.
    pub(super) count: u64,
    /// Number of bytes of these lines.
    pub(super) bytes: usize,
}

impl RecordReader {
    pub(super) fn new(input: Input, name: String) -> Self {
        Self { name, input, buffer: BytesMut::new(), searched: 0, count: 0, bytes: 0 }
    }

    /// The next line, or nothing at the end.
    ///
    /// # Errors
    /// The input ended with an error, the line is not one of an export, or it has a value that no record can have.
    pub(super) async fn next(&mut self) -> Result<Option<Record>, ServiceError> {
        let Some(text) = self.next_line().await? else { return Ok(None) };
        self.count += 1;
        self.bytes += text.len();
        let record: Record = serde_json::from_slice(&text).map_err(|error| {
            let field = Record::faulty_field(&text, &error).map_or(String::new(), |field| format!(": `{field}`"));
            self.wrong(&format!("cannot be read{field}")).caused_by(error)
        })?;
        record.check().map_err(|error| self.refused(self.count, error))?;
        Ok(Some(record))
    }

    /// The error that the last line is wrong.
    pub(super) fn wrong(&self, what: &str) -> ImportError {
        self.wrong_at(self.count, what)
    }

    /// The error that the line of this number is wrong.
    pub(super) fn wrong_at(&self, line: u64, what: &str) -> ImportError {
        ImportError::new(format!("line {line} of `{}` {what}", self.name))
    }

    /// The error that the line of this number says something impossible. `why` names the field.
    pub(super) fn refused(&self, line: u64, why: impl std::error::Error + Send + Sync + 'static) -> ImportError {
        self.wrong_at(line, "cannot be taken over").caused_by(why)
    }

    /// The same, with the field and what is wrong with it.
    pub(super) fn refused_field(&self, line: u64, field: &'static str, what: impl Into<String>) -> ImportError {
        self.refused(line, Invalid { field, what: what.into() })
    }

    /// The error that the input as a whole is wrong.
    pub(super) fn wrong_whole(&self, what: &str) -> ImportError {
        ImportError::new(format!("`{}` {what}", self.name))
    }

    async fn next_line(&mut self) -> Result<Option<Bytes>, ServiceError> {
        loop {
            if let Some(at) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                let mut line = self.buffer.split_to(self.searched + at + 1);
                line.truncate(line.len() - 1);
                self.searched = 0;
                return Ok(Some(line.freeze()));
            }
            self.searched = self.buffer.len();
            if self.searched > LONGEST {
                self.count += 1;
                return Err(self.wrong("is too long").into());
            }
            match next_chunk(&mut self.input, &self.name).await? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => {
                    // A last line without its newline has been cut off, or typed by hand.
                    let rest = std::mem::take(&mut self.buffer).freeze();
                    self.searched = 0;
                    return Ok(Some(rest).filter(|rest| !rest.is_empty()));
                }
            }
        }
    }
}
