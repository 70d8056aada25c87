//! One request and its reply on the pipes of a process that stays up.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc::{self, error::TrySendError};

use super::framing::{Framing, Piece, REMEDY, Stage};
use crate::{Pipe, StdinPipe, pipe::is_closed};

/// More than any pipe holds: more noise than this at one look is no noise.
const PIPE_FULL: usize = 4 * 1024 * 1024;

/// The pipes that requests and replies go over, and what was read and not yet understood.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) stdin: Option<StdinPipe>,
    pub(super) stdout: Pipe,
    pub(super) unread: BytesMut,
    /// Noise before the unread bytes has left a line unfinished.
    pub(super) mid_line: bool,
    pub(super) framing: Framing,
}

/// How far a request has come. All progress is kept here, so that [`Wire::drive`] may be cancelled and called again.
#[derive(Debug)]
pub(super) struct Exchange {
    request: Bytes,
    written: usize,
    stage: Stage,
    /// Cut off the reply, and not yet taken.
    pending: Option<Bytes>,
    pub(super) stdout_bytes: u64,
}

/// What stopped the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The whole reply has come.
    Over,
    /// The process closed a pipe that it needs.
    Closed,
    /// Nobody takes the reply any more.
    ReaderGone,
}

impl Exchange {
    pub(super) fn new(wire: &Wire, payload: &[u8]) -> Self {
        let stage = wire.framing.begin(wire.mid_line);
        Self { request: wire.framing.request(payload), written: 0, stage, pending: None, stdout_bytes: 0 }
    }

    pub(super) const fn stdin_bytes(&self) -> u64 {
        self.written as u64
    }
}

impl Wire {
    /// Drives an exchange to its end. Without `out` the reply is read and thrown away.
    pub(super) async fn drive(&mut self, exchange: &mut Exchange, out: Option<&mpsc::Sender<Bytes>>) -> Step {
        loop {
            if !self.write(exchange) {
                return Step::Closed;
            }
            // What is there already is taken before anything is waited for: this is the path of a quick model.
            match self.take(exchange, out).await {
                Piece::Over => return Step::Over,
                Piece::Payload(_) => return Step::ReaderGone,
                Piece::More => {}
            }
            match self.stdout.try_fill(&mut self.unread) {
                Ok(0) => return Step::Closed,
                Ok(_) => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Step::Closed,
            }
            let ready = match &self.stdin {
                Some(stdin) if exchange.written < exchange.request.len() => tokio::select! {
                    ready = self.stdout.readable() => ready,
                    ready = stdin.writable() => ready,
                },
                _ => self.stdout.readable().await,
            };
            if ready.is_err() {
                return Step::Closed;
            }
        }
    }

    /// Understands what was read. Payload comes back only if nobody takes it.
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
                        // Only the wait: the chunk stays where a cancelled wait leaves it.
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

    /// Writes what fits. False where the process has closed its stdin before it had the whole request.
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

    /// Looks, without waiting, at what came since the last reply. `Ok(false)`: the process has closed its stdout.
    ///
    /// # Errors
    /// What it did that it must not do.
    pub(super) fn between(&mut self) -> Result<bool, String> {
        let mut chunk = [0; 4096];
        // A process that prints without end must not keep us here.
        let mut left = PIPE_FULL;
        let open = loop {
            match self.stdout.read_now(&mut chunk) {
                Ok(0) => break false,
                Ok(count) if count < left => {
                    left -= count;
                    self.unread.extend_from_slice(&chunk[..count]);
                    self.framing.unasked(&mut self.unread, &mut self.mid_line)?;
                }
                Ok(_) => return Err("the process prints without end and without being asked".to_owned()),
                Err(error) => break error.kind() == io::ErrorKind::WouldBlock,
            }
        };
        self.framing.unasked(&mut self.unread, &mut self.mid_line)?;
        Ok(open)
    }

    /// Whether a reply may still be in the making although its process is gone.
    pub(super) fn has_more(&self, exchange: &Exchange) -> bool {
        exchange.pending.is_some() || self.stdout.available() > 0
    }

    /// Whether the process has read its request: a line that came before it had is no answer to it.
    ///
    /// # Errors
    /// What it did that it must not do.
    pub(super) fn was_heard(&self) -> Result<(), String> {
        match self.stdin.as_ref().map_or(0, StdinPipe::unread) {
            0 => Ok(()),
            _ => Err(format!("the process printed a line before it had read its request: {REMEDY}")),
        }
    }

    /// Looks at what was read together with the end of a reply.
    ///
    /// # Errors
    /// What it did that it must not do.
    pub(super) fn after_reply(&mut self) -> Result<(), String> {
        self.mid_line = false;
        self.framing.unasked(&mut self.unread, &mut self.mid_line)
    }
}
