//! The loop of a session's thread.

mod clock;
mod exits;
mod open_channels;
mod opening;
mod unfinished;
mod watchdog_channel;

use std::{
    collections::VecDeque,
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant},
};

use ssh2::Session;

use self::{
    opening::Opening,
    unfinished::{Unfinished, WorkStop},
};
use super::{
    Request, SessionHandle,
    channel::{Channel, ChannelOwner},
    handle::Shared,
    handshake::LoggedIn,
    nonce,
    pending_call::CallContext,
    poll,
    watchdog::Watchdog,
};
use crate::ssh::{SshError, target::Hop};

/// Bytes of one read from a channel.
const SCRATCH: usize = 128 * 1024;
/// Minimum time between two keepalives of libssh2.
const FASTEST_KEEPALIVE: Duration = Duration::from_secs(2);
/// Maximum number of rounds over all channels before the socket is polled again.
const ROUNDS: usize = 4;

/// A session's thread, with everything that it owns.
pub(super) struct SessionThread {
    host: String,
    session: Session,
    socket: Arc<OwnedFd>,
    shared: Arc<Shared>,
    channels: Vec<Channel>,
    openings: VecDeque<Opening>,
    unfinished: Option<Unfinished>,
    /// Whether there is more to do before the next poll.
    again: bool,
    /// Whether a channel was opened: see [`CallContext::pumped`].
    opened: bool,
    /// Whether the socket was readable at the last poll.
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

impl SessionThread {
    pub(super) fn new(
        hop: &Hop,
        ready: LoggedIn,
        handle: &SessionHandle,
        orphan_after: Duration,
        idle_after: Duration,
    ) -> Self {
        let now = Instant::now();
        ready.session.set_keepalive(true, 1);
        Self {
            host: hop.label(),
            session: ready.session,
            socket: ready.socket,
            shared: Arc::clone(&handle.0),
            channels: Vec::new(),
            openings: VecDeque::new(),
            unfinished: None,
            again: false,
            opened: false,
            readable: false,
            watchdog: Watchdog::new(orphan_after, nonce(), Arc::clone(&handle.0)),
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

    /// Serves until the session is idle or lost.
    pub(super) fn run(mut self) {
        let mut scratch = vec![0; SCRATCH];
        let error = loop {
            match self.round(&mut scratch) {
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

    /// Makes one round: requests, the pending call, the channels, and then the poll. Returns false at the end.
    fn round(&mut self, scratch: &mut [u8]) -> Result<bool, String> {
        for request in self.shared.take() {
            self.take(request);
        }
        let now = Instant::now();
        self.watchdog.tick(now);
        self.keep_alive(now)?;
        match self.work(scratch) {
            Ok(()) => self.unfinished = None,
            Err(WorkStop::Unfinished(call)) => self.unfinished = Some(call),
            Err(WorkStop::Dead(detail)) => return Err(detail),
        }
        if self.is_done(now) {
            return Ok(false);
        }
        let eof = self.channels.iter().any(Channel::wants_writable);
        // Without a channel no call reads from the socket; the next channel reads what comes meanwhile.
        let readable = !self.channels.is_empty() || !self.openings.is_empty();
        let stuck = self.unfinished.is_some();
        let wake = if stuck { self.alive_at() } else { self.wake(now) };
        let seen = poll::wait(&self.shared, &self.socket, &mut self.channels, stuck, eof, readable, Some(wake))
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
            Request::Open { channel_type, session_pipes, run_state, guard, reply } => {
                let owner = ChannelOwner::Run { run_state, guard, reply: Some(reply) };
                self.openings.push_back(Opening::new(channel_type, Some(session_pipes), owner));
            }
            Request::Guard { guarded, grace, run_state, run, reply } => {
                self.want_watchdog();
                self.watchdog.guard(guarded, grace, run_state, run, reply);
            }
            Request::Terminate(group) => self.watchdog.terminate(group),
            Request::Kill(group) => self.watchdog.kill(group),
            Request::Release(group) => self.watchdog.release(group),
            Request::Left(run_state) => {
                let is_its =
                    |channel: &&mut Channel| channel.run_state().is_some_and(|other| Arc::ptr_eq(other, &run_state));
                if let Some(channel) = self.channels.iter_mut().find(is_its) {
                    channel.process_left();
                }
            }
            Request::Finish => self.idle_after = Duration::ZERO,
        }
    }

    /// Makes all calls of libssh2.
    fn work(&mut self, scratch: &mut [u8]) -> Result<(), WorkStop> {
        let socket = Arc::clone(&self.socket);
        let (mut writable, mut pumped) = (move || poll::is_writable(&socket), !self.readable);
        let session = self.session.clone();
        let mut context = CallContext { session: &session, scratch, writable: &mut writable, pumped: &mut pumped };
        match self.unfinished {
            Some(Unfinished::Channel(id, call)) => {
                if let Some(channel) = self.channels.iter_mut().find(|channel| channel.id == id) {
                    channel.retry(call, &mut context).map_err(|halt| WorkStop::of(id, halt))?;
                }
            }
            Some(Unfinished::Open) | None => {}
        }
        // Almost every call takes in whatever the socket has, for all channels, so that channels served before may
        // have work again.
        self.again = true;
        for round in 0..ROUNDS {
            self.open()?;
            *context.pumped &= !std::mem::take(&mut self.opened);
            self.write_to_watchdog();
            for index in 0..self.channels.len() {
                let id = self.channels[index].id;
                if self.channels[index].is_starting() && self.next_to_start() != Some(id) {
                    continue;
                }
                self.channels[index].serve(&mut context).map_err(|halt| WorkStop::of(id, halt))?;
            }
            let mut brought = false;
            if !*context.pumped {
                for channel in &mut self.channels {
                    let id = channel.id;
                    if channel.pump(&mut context).map_err(|halt| WorkStop::of(id, halt))? {
                        brought = true;
                        break;
                    }
                }
                *context.pumped = true;
            }
            self.read_from_watchdog();
            self.remove_closed();
            let waits = round == 0
                && self.channels.len() + self.openings.len() > 1
                && self.replies_at(Instant::now()).is_some();
            if !waits && !brought && !self.has_work() {
                self.again = false;
                break;
            }
        }
        Ok(())
    }

    /// The channel whose command is requested, or is the next to be. libssh2 takes a reply for another channel as the failure
    /// of this one, and of the connection with it, so that one command is started at a time, in the order in which the
    /// channels were opened: not in that of `channels`, which changes when one is removed. sshd starts them one after the other
    /// anyway.
    fn next_to_start(&self) -> Option<u64> {
        self.channels.iter().filter(|channel| channel.is_starting()).map(|channel| channel.id).min()
    }

    /// Whether another round has work, as far as it is known without the socket.
    fn has_work(&self) -> bool {
        self.watchdog.has_outgoing()
            || self.openings.front().is_some_and(|opening| opening.begun.is_none())
            || self.channels.iter().any(Channel::has_work)
    }
}
