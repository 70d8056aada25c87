//! The end of a stream.

use std::collections::VecDeque;

use mer_core::STDERR_TAIL_BYTES;

/// Counts all bytes of a stream and keeps the last [`STDERR_TAIL_BYTES`].
#[derive(Debug, Default)]
pub(crate) struct Tail {
    kept: VecDeque<u8>,
    total: u64,
}

impl Tail {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let bytes = &bytes[bytes.len().saturating_sub(STDERR_TAIL_BYTES)..];
        let over = (self.kept.len() + bytes.len()).saturating_sub(STDERR_TAIL_BYTES);
        self.kept.drain(..over);
        self.kept.extend(bytes);
    }

    /// Takes the end of the stream and the number of bytes, and starts again.
    pub(crate) fn take(&mut self) -> (Vec<u8>, u64) {
        let Self { kept, total } = std::mem::take(self);
        (kept.into(), total)
    }
}

#[cfg(test)]
mod tests {
    use super::{STDERR_TAIL_BYTES, Tail};

    #[test]
    fn the_end_is_kept_and_all_is_counted() {
        let mut tail = Tail::default();
        tail.push(b"begin");
        tail.push(&vec![b'x'; STDERR_TAIL_BYTES - 2]);
        tail.push(b"end");
        let (kept, total) = tail.take();
        assert_eq!(kept.len(), STDERR_TAIL_BYTES);
        assert!(kept.starts_with(b"xxx") && kept.ends_with(b"xend"));
        assert_eq!(total, 5 + STDERR_TAIL_BYTES as u64 - 2 + 3);
        tail.push(&vec![b'y'; 3 * STDERR_TAIL_BYTES]);
        assert_eq!(tail.take().0, vec![b'y'; STDERR_TAIL_BYTES]);
        assert_eq!(tail.take(), (Vec::new(), 0));
    }
}
