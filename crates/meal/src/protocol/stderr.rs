//! A model's stderr: drained always, counted, its end kept, never parsed.

use std::{
    fmt, io,
    sync::{Mutex, MutexGuard, PoisonError},
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
        while !self.drain() {
            if self.pipe.readable().await.is_err() {
                return;
            }
        }
    }

    /// Drains what is there now, and no more: somebody who escaped the group may be writing for ever.
    pub(super) fn rest(&self) {
        let mut chunk = [0; 4096];
        let mut left = self.pipe.available();
        while left > 0 {
            let Ok(count @ 1..) = self.pipe.read_now(&mut chunk) else { return };
            left = left.saturating_sub(count as u64);
            self.keep(&mut self.lock().1, &chunk[..count]);
        }
    }

    /// What came since the last call: the end of it, and how much it was.
    pub(super) fn take(&self) -> (Vec<u8>, u64) {
        self.rest();
        self.lock().1.take()
    }

    /// Reads until nothing is there, or about one pipe full: a flood must not keep the other streams waiting. True at
    /// the end of the stream.
    fn drain(&self) -> bool {
        let mut state = self.lock();
        let (buffer, tail) = &mut *state;
        for _ in 0..4 {
            buffer.clear();
            buffer.reserve(CHUNK);
            match self.pipe.try_read(buffer) {
                Ok(0) => return true,
                Ok(_) => self.keep(tail, buffer),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(_) => return true,
            }
        }
        false
    }

    fn keep(&self, tail: &mut Tail, bytes: &[u8]) {
        tail.push(bytes);
        if let Some(hook) = &self.hook {
            hook(bytes);
        }
    }

    fn lock(&self) -> MutexGuard<'_, (BytesMut, Tail)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ErrDrain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrDrain").field("pipe", &self.pipe).finish_non_exhaustive()
    }
}
