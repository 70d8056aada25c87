//! Buffers that are used again.
//!
//! Bulk goes through in chunks of 256 KiB that somebody else drops. Allocated anew each time, they come back from the
//! allocator as fresh pages, and the page faults cost more than the copying: 710 MiB/s became 980 by keeping them.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// As many as are under way in the channels of a run, and some more.
const KEPT: usize = 12;

/// Remembers the chunks that it has lent, and takes back those that nobody holds any more.
#[derive(Debug, Default)]
pub struct Buffers(VecDeque<Bytes>);

impl Buffers {
    /// None kept yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty buffer with room for at least `size` bytes.
    #[must_use]
    pub fn take(&mut self, size: usize) -> BytesMut {
        // They come back in the order in which they were lent, or the first of them is held for good: out with it.
        let full = self.0.len() >= KEPT;
        if self.0.front().is_some_and(|oldest| full || oldest.is_unique())
            && let Some(Ok(mut buffer)) = self.0.pop_front().map(Bytes::try_into_mut)
        {
            buffer.clear();
            if buffer.capacity() >= size {
                return buffer;
            }
        }
        BytesMut::with_capacity(size)
    }

    /// Makes a filled buffer a chunk that can be handed on.
    #[must_use]
    pub fn lend(&mut self, buffer: BytesMut) -> Bytes {
        let chunk = buffer.freeze();
        self.0.push_back(chunk.clone());
        chunk
    }
}

#[cfg(test)]
mod tests {
    use super::{Buffers, KEPT};

    #[test]
    fn a_buffer_comes_back_when_nobody_holds_it() {
        let mut buffers = Buffers::new();
        let mut first = buffers.take(1000);
        first.extend_from_slice(b"abc");
        let at = first.as_ptr();
        let chunk = buffers.lend(first);
        let held = chunk.slice(1..);
        drop(chunk);
        assert_ne!(buffers.take(1000).as_ptr(), at, "somebody holds it");
        assert_eq!(held, "bc");
        drop(held);
        let again = buffers.take(1000);
        assert_eq!((again.as_ptr(), again.len()), (at, 0));
        assert!(again.capacity() >= 1000);
    }

    #[test]
    fn what_is_held_for_good_is_let_go() {
        let mut buffers = Buffers::new();
        let held: Vec<_> = (0..100)
            .map(|_| {
                let buffer = buffers.take(10);
                buffers.lend(buffer)
            })
            .collect();
        assert!(buffers.0.len() <= KEPT);
        drop(held);
        assert!(buffers.take(20).capacity() >= 20);
    }
}
