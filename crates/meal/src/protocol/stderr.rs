//! A model's stderr: drained always, counted, its end kept, never parsed.

use std::{
    fmt, io,
    sync::{Mutex, PoisonError},
};

use bytes::BytesMut;

use super::StderrHook;
use crate::{Pipe, tail::Tail};

/// One read. Diagnostics are rarely bulk, and a flood of them needs no speed.
const CHUNK: usize = 16 * 1024;

/// Drains stderr. Shared between the task that does it between requests and the request that wants the tail.
pub(super) struct ErrDrain {
    pipe: Pipe,
    hook: Option<StderrHook>,
    state: Mutex<(BytesMut, Tail)>,
}

impl ErrDrain {
    pub(super) fn new(pipe: Pipe, hook: Option<StderrHook>) -> Self {
        Self { pipe, hook, state: Mutex::default() }
    }

    /// Drains to the end of the stream. Safe to cancel.
    pub(super) async fn run(&self) {
        while !self.drain(u64::MAX) {
            if self.pipe.readable().await.is_err() {
                return;
            }
        }
    }

    /// Drains what is there now, and no more.
    pub(super) fn rest(&self) {
        self.drain(self.pipe.available());
    }

    /// What came since the last call: the end of it, and how much it was.
    pub(super) fn take(&self) -> (Vec<u8>, u64) {
        self.rest();
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1.take()
    }

    /// Reads until nothing is there, or about `limit` bytes. True at the end of the stream.
    fn drain(&self, limit: u64) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (buffer, tail) = &mut *state;
        // A flood must not keep the other streams waiting: one pipe full at a time.
        let mut left = limit.min(4 * CHUNK as u64);
        while left > 0 {
            buffer.clear();
            buffer.reserve(CHUNK);
            match self.pipe.try_read(buffer) {
                Ok(0) => return true,
                Ok(count) => {
                    left = left.saturating_sub(count as u64);
                    tail.push(buffer);
                    if let Some(hook) = &self.hook {
                        hook(buffer);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(_) => return true,
            }
        }
        false
    }
}

impl fmt::Debug for ErrDrain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrDrain").field("pipe", &self.pipe).finish_non_exhaustive()
    }
}
