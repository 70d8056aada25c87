//! Cuts a stream at a delimiter, and skips pieces that are too large without holding them in memory.

use std::io::{self, BufRead, BufReader, Read};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::{
    digest::shortened,
    input::raw_item::{MOST_ITEM_BYTES, RawItem},
};

/// Size of the buffer between the stream and the reader, in bytes.
const BUFFER_BYTES: usize = 256 << 10;

/// Pieces from this size on are handed on as they are, instead of being copied.
const COPIED_BYTES: usize = 64 << 10;

/// Cuts a stream at a delimiter.
pub(crate) struct LineReader<R> {
    source: BufReader<R>,
    delimiter: u8,
    most: usize,
    line: u64,
    buffer: Vec<u8>,
}

impl<R: Read> LineReader<R> {
    /// Cuts at this byte.
    pub(crate) fn new(source: R, delimiter: u8) -> Self {
        let source = BufReader::with_capacity(BUFFER_BYTES, source);
        Self { source, delimiter, most: MOST_ITEM_BYTES, line: 0, buffer: Vec::new() }
    }

    /// The stream.
    pub(crate) fn source(&self) -> &R {
        self.source.get_ref()
    }

    /// Whether the next piece may have to wait for the stream.
    pub(crate) fn may_wait(&self) -> bool {
        !self.source.buffer().contains(&self.delimiter)
    }

    /// Sets another maximum size of a piece, in bytes.
    #[cfg(test)]
    pub(crate) const fn with_most(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// Returns the next piece without its delimiter; nothing at the end. The last piece need not have a delimiter.
    pub(crate) fn next(&mut self) -> io::Result<Option<RawItem>> {
        let bound = self.most as u64 + 1;
        self.buffer.clear();
        if self.source.by_ref().take(bound).read_until(self.delimiter, &mut self.buffer)? == 0 {
            return Ok(None);
        }
        self.line += 1;
        if self.buffer.last() == Some(&self.delimiter) {
            self.buffer.pop();
        } else if self.buffer.len() as u64 == bound {
            return self.skip().map(Some);
        }
        let input = if self.buffer.len() < COPIED_BYTES {
            Bytes::copy_from_slice(&self.buffer)
        } else {
            Bytes::from(std::mem::take(&mut self.buffer))
        };
        Ok(Some(RawItem::new(self.line, input)))
    }

    /// Reads the rest of a piece that is too large, and returns it as a faulty item.
    fn skip(&mut self) -> io::Result<RawItem> {
        let mut hasher = Sha256::new_with_prefix(&self.buffer);
        let mut bytes = self.buffer.len() as u64;
        self.buffer = Vec::new();
        loop {
            let filled = self.source.fill_buf()?;
            let end = filled.iter().position(|byte| *byte == self.delimiter);
            let piece = &filled[..end.unwrap_or(filled.len())];
            hasher.update(piece);
            bytes += piece.len() as u64;
            let is_over = end.is_some() || filled.is_empty();
            let consumed = piece.len() + usize::from(end.is_some());
            self.source.consume(consumed);
            if is_over {
                return Ok(RawItem::too_large(self.line, shortened(hasher), bytes));
            }
        }
    }
}
