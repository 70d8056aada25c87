//! Channels that are to be opened: one after the other, and what a refusal means.

use std::time::{Duration, Instant};

use ssh2::{BlockDirections, Channel};

use super::{Stuck, Thread, Work};
use crate::ssh::session::{
    Ends, GuardError, OpenError, What,
    chan::{Chan, Owner},
    code::Trouble,
    stream::{Sink, Source},
};

/// A refusal so soon after a channel was closed is not believed; and how long to wait before the next try.
const RECENTLY: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(1);

/// A channel that is to be opened.
pub(super) struct Opening {
    what: What,
    ends: Option<Ends>,
    pub(super) owner: Owner,
    pub(super) begun: Option<Instant>,
    refusals: u32,
    /// Refused, and tried again at this time.
    pub(super) not_before: Option<Instant>,
}

impl Opening {
    pub(super) fn new(what: What, ends: Option<Ends>, owner: Owner) -> Self {
        Self { what, ends, owner, begun: None, refusals: 0, not_before: None }
    }
}

impl Thread {
    /// Opens channels, one after the other: the session keeps the state of that.
    pub(super) fn open(&mut self) -> Result<(), Work> {
        while let Some(opening) = self.openings.front_mut() {
            if let Owner::Run { reply: Some(reply), .. } = &opening.owner {
                // Nobody waits for it any more. Once begun it must be finished all the same.
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
            let opened = match &opening.what {
                What::Exec { .. } => self.session.channel_session(),
                What::Tunnel { host, port } => self.session.channel_direct_tcpip(host, *port, None),
            };
            match opened.map_err(Trouble::from) {
                Ok(channel) => {
                    self.opened = true;
                    if let Some(opening) = self.openings.pop_front() {
                        self.take_on(channel, opening);
                    }
                }
                Err(Trouble::Again) => {
                    return match self.session.block_directions() {
                        BlockDirections::Outbound | BlockDirections::Both => Err(Work::Stuck(Stuck::Open)),
                        BlockDirections::None | BlockDirections::Inbound => Ok(()),
                    };
                }
                // sshd frees a channel's place only after it has looked at all that came with its closing. Whoever is
                // refused just then has learned nothing.
                Err(Trouble::Channel(_)) if self.last_closed.is_some_and(|at| now < at + RECENTLY) => {
                    opening.not_before = Some(now + PAUSE * 2_u32.pow(opening.refusals.min(5)));
                    opening.refusals += 1;
                }
                Err(Trouble::Channel(detail)) => {
                    self.opened = true;
                    if let Some(opening) = self.openings.pop_front() {
                        self.refused(opening, detail);
                    }
                }
                Err(Trouble::Session(detail)) => return Err(Work::Dead(detail)),
            }
        }
        Ok(())
    }

    fn take_on(&mut self, channel: Channel, opening: Opening) {
        let Opening { what, ends, owner, .. } = opening;
        let (command, duplex) = match what {
            What::Exec { command, mark } => (Some((command, mark)), false),
            What::Tunnel { .. } => (None, true),
        };
        let ends = match ends {
            Some(ends) => {
                let errors = ends.errors.map_or(Sink::Nowhere, |fd| Sink::pipe(fd, false));
                (Source::pipe(ends.input), Sink::pipe(ends.output, duplex), errors)
            }
            None => (Source::memory(), Sink::Memory(Vec::new()), Sink::Nowhere),
        };
        self.next_id += 1;
        self.chans.push(Chan::new(self.next_id, channel, command, ends, owner));
    }

    pub(super) fn refused(&mut self, opening: Opening, detail: String) {
        match opening.owner {
            Owner::Run { reply, .. } => {
                let runs = self.chans.iter().filter(|chan| chan.is_run()).count();
                self.shared.refused(runs);
                if let Some(reply) = reply {
                    let watchdog = self.chans.iter().any(|chan| matches!(chan.owner, Owner::Watchdog));
                    let _ = reply.send(Err(OpenError::Refused { alone: runs == 0, watchdog, detail }));
                }
            }
            Owner::Watchdog => self.watchdog.fail(&GuardError::NoChannel),
        }
    }
}
