//! The calls that send: the command, its input, and the end of its input.

use std::io::Write;

use super::{Channel, Phase};
use crate::ssh::session::{
    OpenError,
    libssh2_codes::ErrorScope,
    pending_call::{CallContext, Halt, PendingCall, unfinished},
};

/// Maximum number of bytes that one round writes on a channel, so that the others get their time.
const MAX_BYTES: usize = 1024 * 1024;

impl Channel {
    pub(super) fn start(&mut self, context: &mut CallContext<'_>) -> Result<(), Halt> {
        let Phase::Starting(command) = &self.phase else { return Ok(()) };
        match self.channel.exec(command).map_err(ErrorScope::from) {
            Ok(()) => {
                *context.pumped = false;
                self.enter(Phase::Flowing);
                self.answer(Ok(()));
                Ok(())
            }
            Err(ErrorScope::Again) => unfinished(context, PendingCall::Start),
            Err(ErrorScope::Channel(detail)) => {
                self.answer(Err(OpenError::NoCommands(detail)));
                self.enter(Phase::Closing);
                Ok(())
            }
            Err(ErrorScope::Session(detail)) => Err(Halt::Dead(detail)),
        }
    }

    pub(super) fn write(&mut self, context: &CallContext<'_>) -> Result<(), Halt> {
        let mut left = MAX_BYTES;
        loop {
            while !self.source.waiting().is_empty() {
                match self.channel.write(self.source.waiting()) {
                    Ok(0) => return Ok(()),
                    Ok(count) => {
                        self.source.sent(count);
                        left = left.saturating_sub(count);
                    }
                    Err(error) => match ErrorScope::of_io(&error, context.session) {
                        // Unless half a packet is left, the window is full: the remote process has to read first.
                        ErrorScope::Again => return unfinished(context, PendingCall::Write),
                        ErrorScope::Channel(_) => {
                            self.source.shut();
                            (self.source_ended, self.eof_sent) = (true, true);
                            return Ok(());
                        }
                        ErrorScope::Session(detail) => return Err(Halt::Dead(detail)),
                    },
                }
            }
            // After bulk input the pipe is read again without another poll.
            if left == MAX_BYTES || left == 0 || MAX_BYTES - left < 64 * 1024 || self.source_ended {
                return Ok(());
            }
            self.source_ended = !self.source.fill();
            if self.source.waiting().is_empty() {
                return Ok(());
            }
        }
    }

    /// Sends the end of the input. libssh2 builds this packet on its stack and cannot recognize it when the call is
    /// repeated, so that it is sent only if the socket takes it whole.
    pub(super) fn send_eof(&mut self, context: &CallContext<'_>) -> Result<(), Halt> {
        match self.channel.send_eof().map_err(ErrorScope::from) {
            Ok(()) | Err(ErrorScope::Channel(_)) => self.eof_sent = true,
            Err(ErrorScope::Again) => return unfinished(context, PendingCall::Eof),
            Err(ErrorScope::Session(detail)) => return Err(Halt::Dead(detail)),
        }
        Ok(())
    }
}
