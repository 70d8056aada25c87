//! Carries a model's stdout to the caller.

use std::io;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::Pipe;

/// How [`StdoutPump::run`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried {
    /// The stream is at its end.
    All,
    /// The receiver was dropped.
    ReaderGone,
}

/// A model's stdout on its way to the caller. Cancelling [`StdoutPump::run`] loses no bytes.
#[derive(Debug)]
pub(super) struct StdoutPump {
    pipe: Pipe,
    /// Read from the pipe, and not sent yet.
    pending: Option<Bytes>,
    pub(super) bytes: u64,
}

impl StdoutPump {
    pub(super) fn new(pipe: Pipe) -> Self {
        Self { pipe, pending: None, bytes: 0 }
    }

    /// Carries the stream to its end.
    pub(super) async fn run(&mut self, out: &mpsc::Sender<Bytes>) -> Carried {
        loop {
            if !self.deliver(out).await {
                return Carried::ReaderGone;
            }
            let next = tokio::select! {
                biased;
                next = self.pipe.next() => next,
                () = out.closed() => return Carried::ReaderGone,
            };
            match at_end(next) {
                Some(chunk) => self.pending = Some(chunk),
                None => return Carried::All,
            }
        }
    }

    /// Carries what the pipe holds now, and no more: a process that escaped the group may write forever.
    pub(super) async fn run_rest(&mut self, out: &mpsc::Sender<Bytes>) -> Carried {
        let mut left = self.pipe.available();
        while self.deliver(out).await {
            match self.pipe.next_now() {
                Ok(Some(chunk)) if left > 0 => {
                    left = left.saturating_sub(chunk.len() as u64);
                    self.pending = Some(chunk);
                }
                _ => return Carried::All,
            }
        }
        Carried::ReaderGone
    }

    async fn deliver(&mut self, out: &mpsc::Sender<Bytes>) -> bool {
        if self.pending.is_some() {
            let Ok(permit) = out.reserve().await else { return false };
            if let Some(chunk) = self.pending.take() {
                self.bytes += chunk.len() as u64;
                permit.send(chunk);
            }
        }
        true
    }
}

/// Treats a stream that fails as one at its end.
fn at_end(next: io::Result<Option<Bytes>>) -> Option<Bytes> {
    next.unwrap_or_else(|error| {
        tracing::debug!(%error, "a pipe could not be read");
        None
    })
}
