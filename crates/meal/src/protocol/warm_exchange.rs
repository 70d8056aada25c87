//! One request and its reply on the pipes of a process that stays up.

use std::io;

use bytes::Bytes;
use tokio::sync::mpsc::{self, error::TrySendError};

use super::{
    framing::{Piece, Stage},
    warm_pipes::ModelPipes,
};
use crate::pipe::is_closed;

/// How far a request has come. All progress is stored here, so that [`ModelPipes::drive`] may be cancelled and called
/// again.
#[derive(Debug)]
pub(super) struct Exchange {
    request: Bytes,
    written: usize,
    stage: Stage,
    /// A part of the reply that was not sent to the receiver yet.
    pending: Option<Bytes>,
    pub(super) stdout_bytes: u64,
}

/// What stopped the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExchangeResult {
    /// The whole reply has come.
    Over,
    /// The process closed a pipe that it needs.
    Closed,
    /// The receiver of the reply was dropped.
    ReaderGone,
}

impl Exchange {
    pub(super) fn new(wire: &ModelPipes, payload: &[u8]) -> Self {
        let stage = wire.framing.begin(wire.mid_line);
        Self { request: wire.framing.request(payload), written: 0, stage, pending: None, stdout_bytes: 0 }
    }

    pub(super) const fn stdin_bytes(&self) -> u64 {
        self.written as u64
    }
}

impl ModelPipes {
    /// Drives an exchange to its end. Without `out` the reply is read and thrown away.
    pub(super) async fn drive(&mut self, exchange: &mut Exchange, out: Option<&mpsc::Sender<Bytes>>) -> ExchangeResult {
        loop {
            if !self.write(exchange) {
                return ExchangeResult::Closed;
            }
            // Reads what is available before it waits, which is all that a fast model needs.
            match self.take(exchange, out).await {
                Piece::Over => return ExchangeResult::Over,
                Piece::Payload(_) => return ExchangeResult::ReaderGone,
                Piece::More => {}
            }
            match self.stdout.try_fill(&mut self.unread) {
                Ok(0) => return ExchangeResult::Closed,
                Ok(_) => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return ExchangeResult::Closed,
            }
            let ready = match &self.stdin {
                Some(stdin) if exchange.written < exchange.request.len() => tokio::select! {
                    ready = self.stdout.readable() => ready,
                    ready = stdin.writable() => ready,
                },
                _ => self.stdout.readable().await,
            };
            if ready.is_err() {
                return ExchangeResult::Closed;
            }
        }
    }

    /// Parses what was read and sends the reply on. Returns `Payload` only if the receiver was dropped.
    async fn take(&mut self, exchange: &mut Exchange, out: Option<&mpsc::Sender<Bytes>>) -> Piece {
        loop {
            if let Some(chunk) = exchange.pending.take() {
                let length = chunk.len() as u64;
                match out.map(|out| (out, out.try_send(chunk))) {
                    None => {}
                    Some((_, Ok(()))) => exchange.stdout_bytes += length,
                    Some((_, Err(TrySendError::Closed(chunk)))) => return Piece::Payload(chunk),
                    Some((out, Err(TrySendError::Full(chunk)))) => {
                        exchange.pending = Some(chunk);
                        // Waits for room only; the chunk stays pending, so that cancelling loses nothing.
                        let _ = out.reserve().await;
                        continue;
                    }
                }
            }
            match self.framing.next(&mut exchange.stage, &mut self.unread) {
                Piece::Payload(chunk) => exchange.pending = Some(chunk),
                piece => return piece,
            }
        }
    }

    /// Writes what fits. Returns false if the process has closed its stdin before it had the whole request.
    fn write(&mut self, exchange: &mut Exchange) -> bool {
        while exchange.written < exchange.request.len() {
            let Some(stdin) = &mut self.stdin else { return false };
            match stdin.try_write(&exchange.request[exchange.written..]) {
                Ok(count) => exchange.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) => {
                    if !is_closed(&error) {
                        tracing::debug!(%error, "stdin could not be written");
                    }
                    return false;
                }
            }
        }
        true
    }

    /// Whether more of the reply may come although its process has ended.
    pub(super) fn has_more(&self, exchange: &Exchange) -> bool {
        exchange.pending.is_some() || self.stdout.available() > 0
    }
}
