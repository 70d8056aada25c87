//! The calls that receive: stdout, stderr, and packets of other channels.

use std::io::Read;

use super::{Channel, Phase};
use crate::ssh::session::{
    libssh2_codes::ErrorScope,
    pending_call::{CallContext, Halt, PendingCall, unfinished},
};

/// Maximum number of bytes that one round reads on a channel, so that the others get their time.
const MAX_BYTES: usize = 1024 * 1024;

impl Channel {
    pub(super) fn take_in(&mut self, context: &mut CallContext<'_>) -> Result<(), Halt> {
        if !self.out.has_room() {
            self.out.flush();
        }
        if !self.err.has_room() {
            self.err.flush();
        }
        let mut left = MAX_BYTES;
        // The first channel takes in everything that the socket has, for all channels; the others only check whether
        // there is something for them.
        while left > 0 && (!*context.pumped || self.channel.read_window().available > 0) {
            let mut got = 0;
            if self.out.has_room() {
                *context.pumped = true;
                got += self.read(context, false)?;
            }
            if self.err.has_room() && self.channel.read_window().available > 0 {
                got += self.read(context, true)?;
            }
            if got == 0 {
                break;
            }
            left = left.saturating_sub(got);
        }
        Ok(())
    }

    pub(super) fn read(&mut self, context: &mut CallContext<'_>, errors: bool) -> Result<usize, Halt> {
        let got = if errors { self.channel.stderr().read(context.scratch) } else { self.channel.read(context.scratch) };
        match got {
            Ok(count) => {
                let bytes = &context.scratch[..count];
                match &mut self.mark {
                    Some(mark) if errors => self.err.push(&mark.pass(bytes)),
                    _ if errors => self.err.push(bytes),
                    _ => self.out.push(bytes),
                }
                Ok(count)
            }
            Err(error) => match ErrorScope::of_io(&error, context.session) {
                ErrorScope::Again => unfinished(context, PendingCall::Read { errors }).map(|()| 0),
                ErrorScope::Channel(_) => Ok(0),
                ErrorScope::Session(detail) => Err(Halt::Dead(detail)),
            },
        }
    }

    /// Takes in what the socket has without reading from this channel, whose readers are slow. Returns whether that
    /// was possible.
    pub(in crate::ssh::session) fn pump(&mut self, context: &mut CallContext<'_>) -> Result<bool, Halt> {
        if self.phase != Phase::Flowing || self.channel.eof() {
            return Ok(false);
        }
        match self.channel.read(&mut []) {
            Ok(_) => {}
            Err(error) => match ErrorScope::of_io(&error, context.session) {
                ErrorScope::Again => unfinished(context, PendingCall::Read { errors: false })?,
                ErrorScope::Channel(_) => {}
                ErrorScope::Session(detail) => return Err(Halt::Dead(detail)),
            },
        }
        *context.pumped = true;
        Ok(true)
    }
}
