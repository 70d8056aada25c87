//! Counts and hashes a stream. Long streams are hashed on a thread of their own.

use std::{
    io,
    sync::mpsc::{SyncSender, sync_channel},
    thread::{self, JoinHandle},
};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

/// Streams up to this length are hashed in place: for a short one, a thread costs more than the hash.
const INLINE_BYTES: u64 = 256 * 1024;
/// Maximum number of chunks that wait for the hashing thread. A full queue delays the stream by the time that hashing one
/// chunk takes.
const QUEUE: usize = 16;

/// Byte count and sha256 of a stream; no sha256 if hashing is off.
#[derive(Debug)]
pub(crate) struct Digest {
    bytes: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Off,
    Inline(Sha256),
    Thread { chunks: SyncSender<Bytes>, result: JoinHandle<Sha256> },
}

impl Digest {
    pub(crate) fn new(hashes: bool) -> Self {
        Self { bytes: 0, state: if hashes { State::Inline(Sha256::new()) } else { State::Off } }
    }

    /// Adds the next chunk.
    pub(crate) fn update(&mut self, chunk: &Bytes) {
        self.bytes += chunk.len() as u64;
        match &mut self.state {
            State::Off => {}
            State::Inline(hasher) => {
                hasher.update(chunk);
                // Without a thread, hashing goes on in place.
                if self.bytes > INLINE_BYTES
                    && let Ok(state) = on_thread(hasher.clone())
                {
                    self.state = state;
                }
            }
            State::Thread { chunks, .. } => {
                // Does not fail: the thread ends only when this sender is dropped.
                let _ = chunks.send(chunk.clone());
            }
        }
    }

    /// Adds a line and its newline.
    pub(crate) fn update_line(&mut self, line: &Bytes) {
        if !matches!(self.state, State::Off) {
            self.update(line);
            self.update(&Bytes::from_static(b"\n"));
        }
    }

    /// Returns the number of bytes, and the sha256 in hexadecimal unless hashing is off.
    pub(crate) fn finish(self) -> (u64, Option<String>) {
        let hasher = match self.state {
            State::Off => None,
            State::Inline(hasher) => Some(hasher),
            State::Thread { chunks, result } => {
                drop(chunks);
                result.join().ok()
            }
        };
        (self.bytes, hasher.map(|hasher| format!("{:x}", hasher.finalize())))
    }
}

fn on_thread(mut hasher: Sha256) -> io::Result<State> {
    let (chunks, receiver) = sync_channel::<Bytes>(QUEUE);
    let result = thread::Builder::new().name("mer-hash".to_owned()).spawn(move || {
        for chunk in receiver {
            hasher.update(&chunk);
        }
        hasher
    })?;
    Ok(State::Thread { chunks, result })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(hashes: bool, total: usize, chunk: usize) -> (u64, Option<String>) {
        let mut digest = Digest::new(hashes);
        let data = Bytes::from(vec![b'a'; total]);
        for start in (0..total).step_by(chunk) {
            digest.update(&data.slice(start..total.min(start + chunk)));
        }
        digest.finish()
    }

    #[test]
    fn the_hash_is_the_same_inline_and_on_the_thread() {
        // sha256 of a million times `a`, the long test vector of FIPS 180-2.
        let million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
        assert_eq!(digest(true, 1_000_000, 1_000_000), (1_000_000, Some(million.to_owned())));
        assert_eq!(digest(true, 1_000_000, 4_096), (1_000_000, Some(million.to_owned())));
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let mut short = Digest::new(true);
        short.update(&Bytes::from_static(b"abc"));
        assert_eq!(short.finish(), (3, Some(abc.to_owned())));
    }

    #[test]
    fn without_hashes_bytes_are_counted_all_the_same() {
        assert_eq!(digest(false, 700_000, 64_000), (700_000, None));
    }
}
