//! The loop.

use std::{
    collections::VecDeque,
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant},
};

use mer_core::Exit;
use ssh2::{BlockDirections, Channel, Session};
use tokio::sync::oneshot;

use super::{
    Ends, GuardError, Link, OpenError, Report, Request, What,
    chan::{Chan, Halt, Op, Owner, Turn},
    code::Trouble,
    handshake::Ready,
    link::Shared,
    nonce, poll,
    stream::{Sink, Source},
    watchdog::{self, Watchdog},
    wrapper,
};
use crate::ssh::{SshError, target::Hop};

/// One read from a channel.
const SCRATCH: usize = 128 * 1024;
/// How a server that tells how processes end is known: it tells this.
const PROBE: (&str, i32) = ("exec sh -c 'exit 7'", 7);
/// libssh2 sends no keepalives more often than this.
const FASTEST_KEEPALIVE: Duration = Duration::from_secs(2);

/// A refusal so soon after a channel was closed is not believed; and how long to wait before the next try.
const RECENTLY: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(1);
/// Replies are looked for so soon, and at least so often, though the socket is silent.
const SOON: Duration = Duration::from_millis(2);
const SELDOM: Duration = Duration::from_secs(1);
/// Rounds over all channels before the socket is looked at again.
const ROUNDS: usize = 4;

/// A channel that is to be opened.
struct Opening {
    what: What,
    ends: Option<Ends>,
    owner: Owner,
    begun: Option<Instant>,
    refusals: u32,
    /// Refused, and tried again at this time.
    not_before: Option<Instant>,
}

impl Opening {
    fn new(what: What, ends: Option<Ends>, owner: Owner) -> Self {
        Self { what, ends, owner, begun: None, refusals: 0, not_before: None }
    }
}

/// What is stuck with half a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stuck {
    Open,
    Chan(u64, Op),
}

/// A session's thread, with everything that it owns.
pub(super) struct Thread {
    host: String,
    session: Session,
    socket: Arc<OwnedFd>,
    shared: Arc<Shared>,
    chans: Vec<Chan>,
    openings: VecDeque<Opening>,
    stuck: Option<Stuck>,
    /// Whether there is more to do before the next wait.
    again: bool,
    /// Whether a channel was opened: see [`Turn::pumped`].
    opened: bool,
    /// Whether the socket had something when it was last looked at.
    readable: bool,
    watchdog: Watchdog,
    /// Whether the server tells how processes end; asked when first a process seems to have ended with 0.
    tells_exits: Option<bool>,
    /// Runs that wait for that answer.
    unsure: Vec<Arc<Report>>,
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
    pub(super) fn new(hop: &Hop, ready: Ready, link: &Link, orphan_after: Duration, idle_after: Duration) -> Self {
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
            tells_exits: None,
            unsure: Vec::new(),
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
            let what = What::Exec(wrapper(self.watchdog.nonce()));
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
        let eof = self.chans.iter().any(Chan::wants_writable);
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
            Request::Guard { group, grace, report, run, reply } => {
                self.want_watchdog();
                self.watchdog.guard(group, grace, report, run, reply);
            }
            Request::Terminate(group) => self.watchdog.terminate(group),
            Request::Kill(group) => self.watchdog.kill(group),
            Request::Release(group) => self.watchdog.release(group),
            Request::Left(report) => {
                let is_its = |chan: &&mut Chan| chan.report().is_some_and(|other| Arc::ptr_eq(other, &report));
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
        let mut turn = Turn { session: &session, scratch, writable: &mut writable, pumped: &mut pumped };
        match self.stuck {
            Some(Stuck::Chan(id, op)) => {
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
            || self.chans.iter().any(Chan::has_work)
    }

    /// When to ask again for replies that somebody else's call may have taken in: soon, and then ever more seldom.
    fn replies_at(&self, now: Instant) -> Option<Instant> {
        let opening = self.openings.front().and_then(|opening| match opening.not_before {
            Some(at) if at > now => None,
            _ => opening.begun,
        });
        let paused = self.openings.front().and_then(|opening| opening.not_before).filter(|at| *at > now);
        let since = self.chans.iter().filter_map(Chan::waits_since).chain(opening).max();
        let again = since.map(|at| now + (now.duration_since(at) / 4).clamp(SOON, SELDOM));
        again.into_iter().chain(paused).min()
    }

    /// Opens channels, one after the other: the session keeps the state of that.
    fn open(&mut self) -> Result<(), Work> {
        while let Some(opening) = self.openings.front_mut() {
            if let Owner::Run { reply: Some(reply), .. } = &opening.owner {
                // Nobody waits for it any more. Once begun it must be finished all the same.
                if reply.is_closed() && opening.begun.is_none() {
                    self.openings.pop_front();
                    self.shared.free();
                    continue;
                }
            }
            // A channel of our own that is over in a moment took the place.
            let probing = self.chans.iter().any(|chan| matches!(chan.owner, Owner::Probe));
            if probing && opening.refusals > 0 {
                return Ok(());
            }
            let now = Instant::now();
            if opening.not_before.is_some_and(|at| now < at) {
                return Ok(());
            }
            opening.begun.get_or_insert(now);
            let opened = match &opening.what {
                What::Exec(_) => self.session.channel_session(),
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
                Err(Trouble::Channel(_)) if probing || self.last_closed.is_some_and(|at| now < at + RECENTLY) => {
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
            What::Exec(command) => (Some(command), false),
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

    fn refused(&mut self, opening: Opening, detail: String) {
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
            Owner::Probe => self.learn_exits(true),
        }
    }

    fn talk_to_watchdog(&mut self) {
        if let Some(chan) = self.chans.iter_mut().find(|chan| matches!(chan.owner, Owner::Watchdog)) {
            let bytes = self.watchdog.outgoing();
            chan.source.push(&bytes);
        }
    }

    fn listen_to_watchdog(&mut self) {
        if let Some(chan) = self.chans.iter_mut().find(|chan| matches!(chan.owner, Owner::Watchdog))
            && let Sink::Memory(memory) = &mut chan.out
        {
            self.watchdog.hear(memory);
        }
    }

    /// Takes leave of channels that are over.
    fn bury(&mut self) {
        let mut index = 0;
        while index < self.chans.len() {
            let exit = self.chans[index].exit.take();
            if let Some(exit) = exit {
                self.exited(index, exit);
            }
            if !self.chans[index].is_over() {
                index += 1;
                continue;
            }
            let chan = self.chans.swap_remove(index);
            self.last_closed = Some(Instant::now());
            match &chan.owner {
                Owner::Run { .. } => self.shared.free(),
                Owner::Watchdog if self.watchdog.may_begin_again() => self.want_watchdog(),
                Owner::Watchdog => {
                    let detail = "the watchdog ended: is `sh` there?".to_owned();
                    self.watchdog.fail(&GuardError::Failed(detail));
                }
                Owner::Probe => {}
            }
            drop(chan);
        }
    }

    fn exited(&mut self, index: usize, exit: Exit) {
        match &self.chans[index].owner {
            Owner::Run { report, guard, .. } => {
                // Whoever is left of its group holds none of its pipes.
                if let Some((link, group)) = guard.get() {
                    link.send(Request::Release(*group));
                }
                if exit != Exit::Code(0) || self.tells_exits == Some(true) {
                    report.closed(exit);
                    if exit != Exit::Code(0) {
                        self.learn_exits(true);
                    }
                } else if self.tells_exits == Some(false) {
                    report.closed(Exit::Lost);
                } else {
                    let report = Arc::clone(report);
                    if self.unsure.is_empty() {
                        let what = What::Exec(PROBE.0.to_owned());
                        self.openings.push_back(Opening::new(what, None, Owner::Probe));
                    }
                    self.unsure.push(report);
                }
            }
            Owner::Probe => self.learn_exits(exit == Exit::Code(PROBE.1)),
            Owner::Watchdog => {}
        }
    }

    fn learn_exits(&mut self, tells: bool) {
        self.tells_exits = self.tells_exits.or(Some(tells));
        let exit = if self.tells_exits == Some(true) { Exit::Code(0) } else { Exit::Lost };
        self.unsure.drain(..).for_each(|report| report.closed(exit));
    }

    /// Asks whether the other side is still there, when it has been silent; and gives up when it stays so.
    fn keep_alive(&mut self, now: Instant) -> Result<(), String> {
        let silent_since = self.last_heard.max(self.last_asked);
        if now.duration_since(silent_since) < self.keepalive {
            return Ok(());
        }
        if self.unanswered >= self.keepalive_count {
            return Err(format!("nothing was heard for {} s", now.duration_since(self.last_heard).as_secs()));
        }
        self.last_asked = now;
        self.unanswered += 1;
        if self.watchdog.phase == watchdog::Phase::Ready {
            self.watchdog.beat();
        } else if self.stuck.is_none() && poll::is_writable(&self.socket) {
            // Built on libssh2's stack, as an EOF is: see there.
            self.session.keepalive_send().map_err(|error| error.message().to_owned())?;
        }
        Ok(())
    }

    /// Idle long enough. Whoever takes a slot a moment later sees that it is closing.
    fn is_done(&mut self, now: Instant) -> bool {
        let busy = self.chans.iter().any(Chan::is_run)
            || !self.openings.is_empty()
            || !self.unsure.is_empty()
            || self.watchdog.is_needed();
        if busy {
            self.idle_since = None;
            return false;
        }
        let since = *self.idle_since.get_or_insert(now);
        if now.duration_since(since) < self.idle_after {
            return false;
        }
        let mut slots = self.shared.slots();
        slots.closing = slots.used == 0;
        slots.closing
    }

    fn alive_at(&self) -> Instant {
        self.last_heard.max(self.last_asked) + self.keepalive
    }

    fn wake(&self, now: Instant) -> Instant {
        let idle = self.idle_since.and_then(|since| since.checked_add(self.idle_after)).map(|at| {
            // Somebody has a slot and has not asked for its channel yet.
            at.max(now + Duration::from_millis(10))
        });
        let alive = self.alive_at();
        let chans = self.chans.iter().filter_map(Chan::wake).map(|at| at.max(now + Duration::from_millis(10)));
        let more = (self.again || self.has_work()).then_some(now);
        let replies = self.replies_at(now);
        chans.chain(idle).chain(self.watchdog.wake()).chain(more).chain(replies).chain([alive]).min().unwrap_or(alive)
    }

    /// Answers everybody, and lets go.
    fn end(mut self, error: &SshError) {
        self.shared.close(error);
        self.watchdog.fail(&GuardError::Dead(error.clone()));
        self.unsure.drain(..).for_each(|report| report.closed(Exit::Lost));
        for opening in self.openings.drain(..) {
            if let Owner::Run { report, reply, .. } = opening.owner {
                report.closed(Exit::Lost);
                answer(reply, error);
            }
        }
        for chan in &mut self.chans {
            chan.answer(Err(OpenError::Dead(error.clone())));
            if let Some(report) = chan.report() {
                report.closed(Exit::Lost);
            }
        }
        if self.stuck.is_none() && poll::is_writable(&self.socket) {
            let _ = self.session.disconnect(None, "done", None);
        }
        // Freeing must not wait for anybody, and must not be refused half-way.
        let _ = rustix::net::shutdown(&*self.socket, rustix::net::Shutdown::Both);
        self.session.set_blocking(true);
        self.session.set_timeout(100);
        self.chans.clear();
    }
}

fn answer(reply: Option<oneshot::Sender<Result<(), OpenError>>>, error: &SshError) {
    if let Some(reply) = reply {
        let _ = reply.send(Err(OpenError::Dead(error.clone())));
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
            Halt::Stuck(op) => Self::Stuck(Stuck::Chan(id, op)),
            Halt::Dead(detail) => Self::Dead(detail),
        }
    }
}
