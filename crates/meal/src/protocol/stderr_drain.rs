//! Drains a model's stderr: counts it and keeps its end, and never parses it.

use std::{
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::BytesMut;

use super::{StderrHook, last_output::LastOutput};
use crate::{Pipe, tail::Tail};

/// Bytes of one read. Diagnostics are rarely bulk, and need no speed.
const CHUNK: usize = 16 * 1024;

/// Drains stderr. Shared by the task that does so for the life of the process and the request that takes the tail.
pub(super) struct StderrDrain {
    pipe: Pipe,
    hook: Option<StderrHook>,
    /// Noted at each read, for the bound on the start.
    last_output: Option<Arc<LastOutput>>,
    state: Mutex<(BytesMut, Tail)>,
}

impl StderrDrain {
    pub(super) fn new(pipe: Pipe, hook: Option<StderrHook>) -> Self {
        Self { pipe, hook, last_output: None, state: Mutex::default() }
    }

    /// Also notes when the stream was last written to.
    pub(super) fn noting(self, last_output: Arc<LastOutput>) -> Self {
        Self { last_output: Some(last_output), ..self }
    }

    /// Drains to the end of the stream. Safe to cancel.
    pub(super) async fn run(&self) {
        while !self.drain() {
            if self.pipe.readable().await.is_err() {
                return;
            }
        }
    }

    /// Drains what the pipe holds now, and no more: a process that escaped the group may write forever.
    pub(super) fn drain_rest(&self) {
        let mut chunk = [0; 4096];
        let mut left = self.pipe.available();
        while left > 0 {
            let Ok(count @ 1..) = self.pipe.read_now(&mut chunk) else { return };
            left = left.saturating_sub(count as u64);
            self.record(&mut self.lock().1, &chunk[..count]);
        }
    }

    /// Takes what came since the last call: its end, and how many bytes it was.
    pub(super) fn take(&self) -> (Vec<u8>, u64) {
        self.drain_rest();
        self.lock().1.take()
    }

    /// Reads until the pipe is empty, at most about one pipe full, so that the other streams get their time. Returns true
    /// at the end of the stream.
    fn drain(&self) -> bool {
        let mut state = self.lock();
        let (buffer, tail) = &mut *state;
        for _ in 0..4 {
            buffer.clear();
            buffer.reserve(CHUNK);
            match self.pipe.try_read(buffer) {
                Ok(0) => return true,
                Ok(_) => self.record(tail, buffer),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(_) => return true,
            }
        }
        false
    }

    fn record(&self, tail: &mut Tail, bytes: &[u8]) {
        tail.push(bytes);
        if let Some(last_output) = &self.last_output {
            last_output.note();
        }
        if let Some(hook) = &self.hook {
            hook(bytes);
        }
    }

    fn lock(&self) -> MutexGuard<'_, (BytesMut, Tail)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for StderrDrain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrDrain").field("pipe", &self.pipe).finish_non_exhaustive()
    }
}
