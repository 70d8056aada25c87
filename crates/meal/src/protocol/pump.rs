//! Carrying a model's stdout to whoever takes it.

use std::io;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::Pipe;

/// How carrying ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried {
    /// The stream is at its end.
    All,
    /// Nobody takes it any more.
    ReaderGone,
}

/// A model's stdout on its way to the caller. Cancelling [`OutPump::run`] loses nothing.
#[derive(Debug)]
pub(super) struct OutPump {
    pipe: Pipe,
    /// Read, and not yet taken.
    pending: Option<Bytes>,
    pub(super) bytes: u64,
}

impl OutPump {
    pub(super) fn new(pipe: Pipe) -> Self {
        Self { pipe, pending: None, bytes: 0 }
    }

    /// Carries to the end of the stream.
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

    /// Carries what the pipe holds now, and no more: somebody who escaped the group may be writing for ever.
    pub(super) async fn rest(&mut self, out: &mpsc::Sender<Bytes>) -> Carried {
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

/// A stream that fails is at its end: there is nothing more to be had from it.
fn at_end(next: io::Result<Option<Bytes>>) -> Option<Bytes> {
    next.unwrap_or_else(|error| {
        tracing::debug!(%error, "a pipe could not be read");
        None
    })
}
