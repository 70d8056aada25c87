//! Opens channels, one after the other, and handles refusals.

use std::time::{Duration, Instant};

use ssh2::BlockDirections;

use super::{
    SessionThread,
    opening::Opening,
    unfinished::{Unfinished, WorkStop},
};
use crate::ssh::session::{
    ChannelType, GuardError, OpenError,
    channel::{Channel, ChannelOwner},
    channel_io::{ChannelInput, ChannelOutput},
    libssh2_codes::ErrorScope,
};

/// How long after the end of a channel a refusal is retried, and the first pause before that.
const RECENTLY: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(1);

impl SessionThread {
    /// Opens channels, one after the other, because the session keeps the state of one opening only.
    pub(super) fn open(&mut self) -> Result<(), WorkStop> {
        while let Some(opening) = self.openings.front_mut() {
            if let ChannelOwner::Run { reply: Some(reply), .. } = &opening.owner {
                // The request was abandoned. An opening that has begun must be finished.
                if reply.is_closed() && opening.begun.is_none() {
                    self.openings.pop_front();
                    self.shared.free();
                    continue;
                }
            }
            let now = Instant::now();
            if opening.not_before.is_some_and(|at| now < at) {
                return Ok(());
            }
            opening.begun.get_or_insert(now);
            let opened = match &opening.channel_type {
                ChannelType::Exec { .. } => self.session.channel_session(),
                ChannelType::Tunnel { host, port } => self.session.channel_direct_tcpip(host, *port, None),
            };
            match opened.map_err(ErrorScope::from) {
                Ok(channel) => {
                    self.opened = true;
                    if let Some(opening) = self.openings.pop_front() {
                        self.take_on(channel, opening);
                    }
                }
                Err(ErrorScope::Again) => {
                    return match self.session.block_directions() {
                        BlockDirections::Outbound | BlockDirections::Both => {
                            Err(WorkStop::Unfinished(Unfinished::Open))
                        }
                        BlockDirections::None | BlockDirections::Inbound => Ok(()),
                    };
                }
                // sshd frees the slot of a closed channel a little later, so that a refusal at this time does not
                // show the limit.
                Err(ErrorScope::Channel(_)) if self.last_closed.is_some_and(|at| now < at + RECENTLY) => {
                    opening.not_before = Some(now + PAUSE * 2_u32.pow(opening.refusals.min(5)));
                    opening.refusals += 1;
                }
                Err(ErrorScope::Channel(detail)) => {
                    self.opened = true;
                    if let Some(opening) = self.openings.pop_front() {
                        self.refused(opening, detail);
                    }
                }
                Err(ErrorScope::Session(detail)) => return Err(WorkStop::Dead(detail)),
            }
        }
        Ok(())
    }

    fn take_on(&mut self, channel: ssh2::Channel, opening: Opening) {
        let Opening { channel_type, pipes, owner, .. } = opening;
        let (command, duplex) = match channel_type {
            ChannelType::Exec { command, mark } => (Some((command, mark)), false),
            ChannelType::Tunnel { .. } => (None, true),
        };
        let pipes = match pipes {
            Some(pipes) => {
                let errors = pipes.errors.map_or(ChannelOutput::Nowhere, |fd| ChannelOutput::pipe(fd, false));
                (ChannelInput::pipe(pipes.input), ChannelOutput::pipe(pipes.output, duplex), errors)
            }
            None => (ChannelInput::memory(), ChannelOutput::Memory(Vec::new()), ChannelOutput::Nowhere),
        };
        self.next_id += 1;
        self.channels.push(Channel::new(self.next_id, channel, command, pipes, owner));
    }

    pub(super) fn refused(&mut self, opening: Opening, detail: String) {
        match opening.owner {
            ChannelOwner::Run { reply, run_state, .. } => {
                let runs = self.channels.iter().filter(|channel| channel.is_run()).count();
                // A run that needs the last channel asks for it again.
                self.shared.refused(if run_state.is_spare() { runs.max(1) } else { runs });
                if let Some(reply) = reply {
                    let watchdog = self.channels.iter().any(|channel| matches!(channel.owner, ChannelOwner::Watchdog));
                    let _ = reply.send(Err(OpenError::Refused { alone: runs == 0, watchdog, detail }));
                }
            }
            ChannelOwner::Watchdog => self.watchdog.fail(&GuardError::NoChannel),
        }
    }
}
