//! The end of a channel, and of the process on it.

use mer_core::Exit;

use super::{Channel, ChannelOwner, LAST_OUTPUT, LAST_STATUS, Phase};
use crate::exit_marker::ExitMarker;
use crate::ssh::session::{
    channel_io::ChannelOutput,
    exit_status::ExitEvidence,
    libssh2_codes::ErrorScope,
    pending_call::{CallContext, Halt, PendingCall, unfinished},
};

impl Channel {
    pub(super) fn check_end(&mut self) {
        if self.channel.eof() {
            if self.out.has_room() && self.err.has_room() {
                if let Some(mark) = &mut self.mark {
                    self.err.push(&mark.rest());
                }
                self.out.end();
                self.err.end();
                self.enter(Phase::Draining);
            }
            return;
        }
        let nothing_waits = self.out.has_room() && self.err.has_room() && self.channel.read_window().available == 0;
        if let (Some(at), ChannelOwner::Run { run_state, .. }) = (self.left, &self.owner)
            && nothing_waits
            && at.elapsed() >= LAST_OUTPUT
        {
            let exit = self.status();
            if exit.is_ok() || at.elapsed() >= LAST_STATUS {
                self.left = None;
                run_state.left(exit);
            }
        }
        // The exit is known, and stdin and output are closed on this side: a process that holds the channel open has
        // left the group.
        let unread = self.out.fd().is_none() && self.err.fd().is_none();
        if unread && self.source_ended && self.run_state().is_some_and(|run_state| run_state.exit().is_some()) {
            self.enter(Phase::Closing);
        }
    }

    pub(super) fn wait(&mut self, context: &mut CallContext<'_>) -> Result<(), Halt> {
        match self.channel.wait_close().map_err(ErrorScope::from) {
            Ok(()) | Err(ErrorScope::Channel(_)) => {
                *context.pumped = false;
                self.exit = Some(self.status());
                self.enter(Phase::Closing);
                Ok(())
            }
            Err(ErrorScope::Again) => unfinished(context, PendingCall::Wait),
            Err(ErrorScope::Session(detail)) => Err(Halt::Dead(detail)),
        }
    }

    /// Closes this side. The channel is over when both sides are closed: only then the server counts it as free.
    pub(super) fn finish(&mut self, context: &mut CallContext<'_>) -> Result<(), Halt> {
        self.source.shut();
        (self.source_ended, self.out, self.err) = (true, ChannelOutput::Nowhere, ChannelOutput::Nowhere);
        match self.channel.close().map_err(ErrorScope::from) {
            Ok(()) | Err(ErrorScope::Channel(_)) => {
                *context.pumped = false;
                self.enter(Phase::Over);
                Ok(())
            }
            Err(ErrorScope::Again) => unfinished(context, PendingCall::Close),
            Err(ErrorScope::Session(detail)) => Err(Halt::Dead(detail)),
        }
    }

    /// How the process ended, from what was received so far.
    pub(super) fn status(&self) -> Result<Exit, String> {
        let evidence = ExitEvidence {
            mark: self.mark.as_ref().and_then(ExitMarker::status),
            signal: self.channel.exit_signal().ok().and_then(|signal| signal.exit_signal),
            code: self.channel.exit_status().unwrap_or_default(),
        };
        evidence.exit()
    }
}
