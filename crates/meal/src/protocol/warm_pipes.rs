//! The pipes of a process that stays up, and the checks of what it prints outside of a reply.

use std::io;

use bytes::BytesMut;

use super::{
    framing::{Framing, LINES_HINT, skip_to},
    last_output::LastOutput,
};
use crate::{Pipe, StdinPipe};

/// More than any pipe holds: a process that prints more than this at once prints without end.
const PIPE_FULL: usize = 4 * 1024 * 1024;

/// The pipes that carry requests and replies, and the output that was read and not parsed yet.
#[derive(Debug)]
pub(super) struct ModelPipes {
    pub(super) stdin: Option<StdinPipe>,
    pub(super) stdout: Pipe,
    pub(super) unread: BytesMut,
    /// The output before the unread bytes ended in the middle of a line.
    pub(super) mid_line: bool,
    pub(super) framing: Framing,
}

impl ModelPipes {
    /// Reads until the ready token has come; false if stdout ends before. Safe to cancel.
    pub(super) async fn ready(&mut self, token: &str, last_output: &LastOutput) -> bool {
        loop {
            // A process that prints without end must not keep the bounds on its start from being seen.
            tokio::task::consume_budget().await;
            match self.stdout.try_fill(&mut self.unread) {
                Ok(0) => return false,
                Ok(_) => {
                    last_output.note();
                    let (mid_line, found) = skip_to(&mut self.unread, token, self.mid_line);
                    self.mid_line = mid_line;
                    if found {
                        return true;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.stdout.readable().await.is_err() {
                        return false;
                    }
                }
                Err(_) => return false,
            }
        }
    }

    /// Reads stdout to its end and throws it away, so that a process that is exiting does not block on a full pipe.
    pub(super) async fn discard(&mut self) {
        loop {
            self.unread.clear();
            match self.stdout.try_fill(&mut self.unread) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.stdout.readable().await.is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
    }

    /// Checks, without waiting, what came since the last reply. `Ok(false)`: the process has closed its stdout.
    ///
    /// # Errors
    /// What the process did against its protocol.
    pub(super) fn check_idle(&mut self) -> Result<bool, String> {
        let mut chunk = [0; 4096];
        // Bounded, for a process that prints without end.
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

    /// Checks that the process has read its request: a line that came before is no answer to it.
    ///
    /// # Errors
    /// What the process did against its protocol.
    pub(super) fn check_request_was_read(&self) -> Result<(), String> {
        match self.stdin.as_ref().map_or(0, StdinPipe::unread) {
            0 => Ok(()),
            _ => Err(format!("the process printed a line before it had read its request: {LINES_HINT}")),
        }
    }

    /// Checks what was read together with the end of a reply.
    ///
    /// # Errors
    /// What the process did against its protocol.
    pub(super) fn check_after_reply(&mut self) -> Result<(), String> {
        self.mid_line = false;
        self.framing.unasked(&mut self.unread, &mut self.mid_line)
    }

    /// Reads stdout to its end. Safe to cancel.
    ///
    /// # Errors
    /// What the process printed without a request.
    pub(super) async fn read_to_end(&mut self) -> Result<(), String> {
        loop {
            match self.stdout.try_fill(&mut self.unread) {
                Ok(0) => return Ok(()),
                Ok(_) => self.framing.unasked(&mut self.unread, &mut self.mid_line)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.stdout.readable().await.is_err() {
                        return Ok(());
                    }
                }
                Err(_) => return Ok(()),
            }
        }
    }
}
