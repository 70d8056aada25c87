//! The sessions of one server: channels up to what it grants on one connection, then another connection up to
//! `maxSessions`, then the queue.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Notify, oneshot};

use super::{
    SshError,
    session::{
        self, ChannelType, GuardError, GuardSlot, GuardedGroup, OpenError, Request, RunState, SessionHandle,
        SessionPipes, Start, Trace,
    },
    target::{Route, SecretSource},
};

/// A pooled connection may be found dead when it is used: then the next one is tried, but not for ever.
const STALE_TRIES: usize = 3;

/// Shared by an executor and its clones.
pub(super) struct Pool {
    pub(super) route: Arc<Route>,
    secrets: Option<SecretSource>,
    orphan_after: Duration,
    idle_after: Duration,
    max_sessions: usize,
    freed: Arc<Notify>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    links: Vec<SessionHandle>,
    connecting: bool,
    /// The server grants one channel on a connection: then the watchdog has one of its own.
    solo: bool,
    watch: Option<SessionHandle>,
}

/// What to do to get a channel.
enum Choice {
    Use(SessionHandle),
    Connect,
    Wait,
}

impl Pool {
    pub(super) fn new(
        route: Arc<Route>,
        secrets: Option<SecretSource>,
        orphan_after: Duration,
        idle_after: Duration,
        max_sessions: usize,
    ) -> Self {
        let (freed, state) = (Arc::new(Notify::new()), Mutex::default());
        Self { route, secrets, orphan_after, idle_after, max_sessions: max_sessions.max(1), freed, state }
    }

    /// Connects, unless there is a connection already.
    pub(super) async fn connect(&self) -> Result<(), SshError> {
        if self.lock().links.iter().any(|link| link.is_alive() && !link.shared().slots().closing) {
            return Ok(());
        }
        let link = self.acquire().await?;
        // Only the connection was wanted, not the slot.
        let mut slots = link.shared().slots();
        slots.used = slots.used.saturating_sub(1);
        drop(slots);
        self.freed.notify_waiters();
        Ok(())
    }

    /// Opens a channel for a command, which may tell how it ended by a mark with this word.
    pub(super) async fn open(
        &self,
        command: &str,
        mark: &str,
        ends: impl Fn() -> Result<(SessionPipes, LocalPipes), SshError>,
        guard: &GuardSlot,
    ) -> Result<(SessionHandle, LocalPipes, Arc<RunState>), SshError> {
        let mut stale = 0;
        loop {
            let link = self.acquire().await?;
            let (reply, answer) = oneshot::channel();
            let (ends, kept) = match ends() {
                Ok(ends) => ends,
                Err(error) => {
                    let mut slots = link.shared().slots();
                    slots.used = slots.used.saturating_sub(1);
                    return Err(error);
                }
            };
            let what = ChannelType::Exec { command: command.to_owned(), mark: Some(mark.to_owned()) };
            // A new one for each try: a session that dies tells it so.
            let report = Arc::new(RunState::new());
            link.send(Request::Open { what, ends, report: Arc::clone(&report), guard: Arc::clone(guard), reply });
            match answer.await {
                Ok(Ok(())) => return Ok((link, kept, report)),
                Ok(Err(OpenError::Refused { alone: true, watchdog: true, .. })) => self.turn_solo(&link),
                Ok(Err(OpenError::Refused { alone: true, detail, .. })) => {
                    return Err(SshError::ChannelRefused { host: self.host(), detail });
                }
                Ok(Err(OpenError::Refused { .. })) => {}
                Ok(Err(OpenError::NoCommands(detail))) => {
                    return Err(SshError::NoShell { host: self.host(), detail });
                }
                Ok(Err(OpenError::Dead(error))) => {
                    stale += 1;
                    if stale >= STALE_TRIES {
                        return Err(error);
                    }
                }
                Err(_) => return Err(self.lost()),
            }
        }
    }

    /// Puts a group under a watchdog's guard. Gives the session that the watchdog is on.
    pub(super) async fn guard(
        &self,
        run: &SessionHandle,
        ward: &GuardedGroup,
        grace: Duration,
        report: &Arc<RunState>,
    ) -> Result<SessionHandle, SshError> {
        let solo = self.lock().solo;
        let mut link = if solo { self.watch().await? } else { run.clone() };
        loop {
            let (reply, answer) = oneshot::channel();
            let (report, shared) = (Arc::clone(report), Arc::clone(run.shared()));
            link.send(Request::Guard { ward: ward.clone(), grace, report, run: shared, reply });
            match answer.await {
                Ok(Ok(())) => return Ok(link),
                Ok(Err(GuardError::NoChannel)) if link == *run => link = self.watch().await?,
                Ok(Err(GuardError::NoChannel)) => {
                    let detail = "there is no channel for the watchdog".to_owned();
                    return Err(SshError::ChannelRefused { host: self.host(), detail });
                }
                Ok(Err(GuardError::Failed(detail))) => {
                    return Err(SshError::NoShell { host: self.host(), detail });
                }
                Ok(Err(GuardError::Dead(error))) => return Err(error),
                Err(_) => return Err(self.lost()),
            }
        }
    }

    /// A session with a free slot, which is taken.
    async fn acquire(&self) -> Result<SessionHandle, SshError> {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // From here on, before the look, so that nothing is missed.
            freed.as_mut().enable();
            match self.choose() {
                Choice::Use(link) => return Ok(link),
                Choice::Wait => freed.await,
                Choice::Connect => {
                    let connecting = Connecting(self);
                    let solo = self.lock().solo;
                    if solo {
                        self.watch().await?;
                    }
                    let link = self.start(!solo, None).await?;
                    self.lock().links.push(link);
                    drop(connecting);
                }
            }
        }
    }

    fn choose(&self) -> Choice {
        let mut state = self.lock();
        state.links.retain(|link| link.is_alive() && !link.shared().slots().closing);
        for link in &state.links {
            let mut slots = link.shared().slots();
            if slots.used < slots.most && !slots.closing {
                slots.used += 1;
                return Choice::Use(link.clone());
            }
        }
        if state.links.len() < self.max_sessions && !state.connecting {
            state.connecting = true;
            return Choice::Connect;
        }
        Choice::Wait
    }

    /// The session showed that it has room for its watchdog only: then that is what it is for.
    fn turn_solo(&self, link: &SessionHandle) {
        let mut state = self.lock();
        state.solo = true;
        state.links.retain(|other| other != link);
        if state.watch.as_ref().is_none_or(|watch| !watch.is_alive()) {
            state.watch = Some(link.clone());
        } else if state.watch.as_ref() != Some(link) {
            link.send(Request::Finish);
        }
    }

    /// The session that carries nothing but a watchdog.
    async fn watch(&self) -> Result<SessionHandle, SshError> {
        let alive = |link: &&SessionHandle| link.is_alive() && !link.shared().slots().closing;
        if let Some(link) = self.lock().watch.as_ref().filter(alive) {
            return Ok(link.clone());
        }
        let link = self.start(true, None).await?;
        link.shared().slots().most = 0;
        let mut state = self.lock();
        // Somebody else may have been faster.
        if let Some(other) = state.watch.as_ref().filter(alive) {
            link.send(Request::Finish);
            return Ok(other.clone());
        }
        state.watch = Some(link.clone());
        Ok(link)
    }

    /// A new session.
    pub(super) async fn start(
        &self,
        watchdog: bool,
        trace: Option<Arc<Mutex<Trace>>>,
    ) -> Result<SessionHandle, SshError> {
        let trace = trace.unwrap_or_else(|| Arc::new(Mutex::new(Trace::new())));
        let answer = session::start(Start {
            route: Arc::clone(&self.route),
            secrets: self.secrets.clone(),
            orphan_after: self.orphan_after,
            idle_after: self.idle_after,
            watchdog,
            freed: Arc::clone(&self.freed),
            trace,
        });
        let hops = self.route.jumps.iter().chain([&self.route.target]);
        let bound = hops.map(|hop| hop.connect_timeout.saturating_add(hop.auth_timeout)).sum::<Duration>();
        // Each step has its own bound, and its own error; this is for what knows none, such as a file system that hangs.
        let bound = bound.saturating_add(Duration::from_secs(2));
        match tokio::time::timeout(bound, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(self.lost()),
            Err(_) => {
                let step = "waiting for this machine".to_owned();
                Err(SshError::AuthTimedOut {
                    user: self.route.target.user.clone(),
                    host: self.host(),
                    after: bound,
                    step,
                })
            }
        }
    }

    /// Takes a session that was started on its own among the others.
    pub(super) fn adopt(&self, link: SessionHandle) {
        self.lock().links.push(link);
        self.freed.notify_waiters();
    }

    pub(super) fn host(&self) -> String {
        self.route.target.label()
    }

    fn lost(&self) -> SshError {
        SshError::ConnectionLost { host: self.host(), detail: "its thread ended".to_owned() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Our ends of a channel's pipes.
pub(super) struct LocalPipes {
    pub(super) stdin: crate::StdinPipe,
    pub(super) stdout: crate::Pipe,
    pub(super) stderr: crate::Pipe,
}

/// Only one connects at a time: whoever waits may well get a channel of that connection.
struct Connecting<'a>(&'a Pool);

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        self.0.lock().connecting = false;
        self.0.freed.notify_waiters();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let state = self.lock();
        state.links.iter().chain(&state.watch).for_each(|link| link.send(Request::Finish));
        drop(state);
        // The threads may not live as long as it takes: this process may be about to end.
        let hops = self.route.jumps.iter().chain([&self.route.target]);
        hops.filter_map(|hop| hop.proxy_command.as_ref()).for_each(|command| command.live.end());
    }
}
