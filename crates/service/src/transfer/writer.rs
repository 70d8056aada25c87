//! Writes the lines of an export.

use mer_core::write_visible_json;

use super::record::Record;
use crate::{error::ServiceError, events::Event, runtime::Runtime};

/// Writes lines to memory.
#[derive(Debug, Default)]
pub(super) struct RecordWriter {
    pub(super) bytes: Vec<u8>,
    /// Number of lines so far.
    pub(super) lines: u64,
}

impl RecordWriter {
    /// Adds a line. Notifies of one that an import refuses.
    ///
    /// # Errors
    /// It cannot be JSON.
    pub(super) fn write(&mut self, runtime: &Runtime, record: &Record) -> Result<(), ServiceError> {
        // It came into the database by another way: the database can be mended while it is still there.
        if let Err(error) = record.check() {
            runtime.notify(Event::UnimportableRecord { line: self.lines + 1, error: &error });
        }
        write_visible_json(&mut self.bytes, record).map_err(|source| ServiceError::WriteRecord { source })?;
        self.bytes.push(b'\n');
        self.lines += 1;
        Ok(())
    }
}
