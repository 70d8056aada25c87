//! The loop.

mod clock;
mod exits;
mod opening;

use std::{
    collections::VecDeque,
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant},
};

use ssh2::Session;

use self::opening::Opening;
use super::{
    ChannelType, Request, SessionHandle,
    channel::{Channel, ChannelContext, Halt, Op, Owner},
    channel_io::ChannelOutput,
    handle::Shared,
    handshake::Ready,
    nonce, poll,
    watchdog::{self, Watchdog},
    wrapper,
};
use crate::ssh::{SshError, target::Hop};

/// One read from a channel.
const SCRATCH: usize = 128 * 1024;
/// libssh2 sends no keepalives more often than this.
const FASTEST_KEEPALIVE: Duration = Duration::from_secs(2);
/// Rounds over all channels before the socket is looked at again.
const ROUNDS: usize = 4;

/// What is stuck with half a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stuck {
    Open,
    Channel(u64, Op),
}

/// A session's thread, with everything that it owns.
pub(super) struct Thread {
    host: String,
    session: Session,
    socket: Arc<OwnedFd>,
    shared: Arc<Shared>,
    chans: Vec<Channel>,
    openings: VecDeque<Opening>,
    stuck: Option<Stuck>,
    /// Whether there is more to do before the next wait.
    again: bool,
    /// Whether a channel was opened: see [`ChannelContext::pumped`].
    opened: bool,
    /// Whether the socket had something when it was last looked at.
    readable: bool,
    watchdog: Watchdog,
    next_id: u64,
    /// When a channel was last closed.
    last_closed: Option<Instant>,
    keepalive: Duration,
    keepalive_count: u32,
    unanswered: u32,
    last_heard: Instant,
    last_asked: Instant,
    idle_after: Duration,
    idle_since: Option<Instant>,
}

impl Thread {
    pub(super) fn new(
        hop: &Hop,
        ready: Ready,
        link: &SessionHandle,
        orphan_after: Duration,
        idle_after: Duration,
    ) -> Self {
        let now = Instant::now();
        ready.session.set_keepalive(true, 1);
        Self {
            host: hop.label(),
            session: ready.session,
            socket: ready.socket,
            shared: Arc::clone(&link.0),
            chans: Vec::new(),
            openings: VecDeque::new(),
            stuck: None,
            again: false,
            opened: false,
            readable: false,
            watchdog: Watchdog::new(orphan_after, nonce()),
            next_id: 0,
            last_closed: None,
            keepalive: hop.keepalive.max(FASTEST_KEEPALIVE),
            keepalive_count: hop.keepalive_count,
            unanswered: 0,
            last_heard: now,
            last_asked: now,
            idle_after,
            idle_since: None,
        }
    }

    pub(super) fn want_watchdog(&mut self) {
        if self.watchdog.phase == watchdog::Phase::Off {
            self.watchdog.phase = watchdog::Phase::Starting;
            let what = ChannelType::Exec { command: wrapper(self.watchdog.nonce()), mark: None };
            self.openings.push_back(Opening::new(what, None, Owner::Watchdog));
        }
    }

    /// Serves until the session is idle or lost.
    pub(super) fn run(mut self) {
        let mut scratch = vec![0; SCRATCH];
        let error = loop {
            match self.turn(&mut scratch) {
                Ok(true) => {}
                Ok(false) => break self.lost("it was closed, because nothing ran over it"),
                Err(detail) => break self.lost(&detail),
            }
        };
        tracing::debug!(host = %self.host, %error, "a session ends");
        self.end(&error);
    }

    fn lost(&self, detail: &str) -> SshError {
        SshError::ConnectionLost { host: self.host.clone(), detail: detail.to_owned() }
    }

    /// One round: what was asked, what is stuck, what the channels can do, and then the wait. False: it is over.
    fn turn(&mut self, scratch: &mut [u8]) -> Result<bool, String> {
        for request in self.shared.take() {
            self.take(request);
        }
        let now = Instant::now();
        self.watchdog.tick(now);
        self.keep_alive(now)?;
        match self.work(scratch) {
            Ok(()) => self.stuck = None,
            Err(Work::Stuck(stuck)) => self.stuck = Some(stuck),
            Err(Work::Dead(detail)) => return Err(detail),
        }
        if self.is_done(now) {
            return Ok(false);
        }
        let eof = self.chans.iter().any(Channel::wants_writable);
        // Without a channel there is no call that reads. What comes is read with the next one.
        let readable = !self.chans.is_empty() || !self.openings.is_empty();
        let stuck = self.stuck.is_some();
        let wake = if stuck { self.alive_at() } else { self.wake(now) };
        let seen = poll::wait(&self.shared, &self.socket, &mut self.chans, stuck, eof, readable, Some(wake))
            .map_err(|errno| format!("poll: {errno}"))?;
        self.readable = seen.socket;
        if seen.socket {
            self.last_heard = Instant::now();
            self.unanswered = 0;
            if !readable {
                return Err("the server closed it".to_owned());
            }
        }
        Ok(true)
    }

    fn take(&mut self, request: Request) {
        match request {
            Request::Open { what, ends, report, guard, reply } => {
                let owner = Owner::Run { report, guard, reply: Some(reply) };
                self.openings.push_back(Opening::new(what, Some(ends), owner));
            }
            Request::Guard { ward, grace, report, run, reply } => {
                self.want_watchdog();
                self.watchdog.guard(ward, grace, report, run, reply);
            }
            Request::Terminate(group) => self.watchdog.terminate(group),
            Request::Kill(group) => self.watchdog.kill(group),
            Request::Release(group) => self.watchdog.release(group),
            Request::Left(report) => {
                let is_its = |chan: &&mut Channel| chan.report().is_some_and(|other| Arc::ptr_eq(other, &report));
                if let Some(chan) = self.chans.iter_mut().find(is_its) {
                    chan.process_left();
                }
            }
            Request::Finish => self.idle_after = Duration::ZERO,
        }
    }

    /// Everything that calls libssh2.
    fn work(&mut self, scratch: &mut [u8]) -> Result<(), Work> {
        let socket = Arc::clone(&self.socket);
        let (mut writable, mut pumped) = (move || poll::is_writable(&socket), !self.readable);
        let session = self.session.clone();
        let mut turn = ChannelContext { session: &session, scratch, writable: &mut writable, pumped: &mut pumped };
        match self.stuck {
            Some(Stuck::Channel(id, op)) => {
                if let Some(chan) = self.chans.iter_mut().find(|chan| chan.id == id) {
                    chan.retry(op, &mut turn).map_err(|halt| Work::of(id, halt))?;
                }
            }
            Some(Stuck::Open) | None => {}
        }
        // Almost every call takes in whatever the socket has, for all channels: what one call brings may be for somebody
        // who has had their turn.
        self.again = true;
        for round in 0..ROUNDS {
            self.open()?;
            *turn.pumped &= !std::mem::take(&mut self.opened);
            self.talk_to_watchdog();
            for index in 0..self.chans.len() {
                let id = self.chans[index].id;
                // libssh2 takes a reply that is for another channel for the failure of this one. sshd starts one command
                // after the other anyway.
                if self.chans[index].is_starting() && self.chans[..index].iter().any(Channel::is_starting) {
                    continue;
                }
                self.chans[index].serve(&mut turn).map_err(|halt| Work::of(id, halt))?;
            }
            let mut brought = false;
            if !*turn.pumped {
                for chan in &mut self.chans {
                    let id = chan.id;
                    if chan.pump(&mut turn).map_err(|halt| Work::of(id, halt))? {
                        brought = true;
                        break;
                    }
                }
                *turn.pumped = true;
            }
            self.listen_to_watchdog();
            self.bury();
            let waits =
                round == 0 && self.chans.len() + self.openings.len() > 1 && self.replies_at(Instant::now()).is_some();
            if !waits && !brought && !self.has_work() {
                self.again = false;
                break;
            }
        }
        Ok(())
    }

    /// Whether a round more would do something, as far as it can be known without asking the socket.
    fn has_work(&self) -> bool {
        self.watchdog.has_outgoing()
            || self.openings.front().is_some_and(|opening| opening.begun.is_none())
            || self.chans.iter().any(Channel::has_work)
    }

    fn talk_to_watchdog(&mut self) {
        if let Some(chan) = self.chans.iter_mut().find(|chan| matches!(chan.owner, Owner::Watchdog)) {
            let bytes = self.watchdog.outgoing();
            chan.source.push(&bytes);
        }
    }

    fn listen_to_watchdog(&mut self) {
        if let Some(chan) = self.chans.iter_mut().find(|chan| matches!(chan.owner, Owner::Watchdog))
            && let ChannelOutput::Memory(memory) = &mut chan.out
        {
            self.watchdog.hear(memory);
        }
    }
}

/// Why work stopped.
enum Work {
    Stuck(Stuck),
    Dead(String),
}

impl Work {
    fn of(id: u64, halt: Halt) -> Self {
        match halt {
            Halt::Stuck(op) => Self::Stuck(Stuck::Channel(id, op)),
            Halt::Dead(detail) => Self::Dead(detail),
        }
    }
}
