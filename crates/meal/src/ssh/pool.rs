//! The sessions of one server. Channels are opened on one connection up to the server's limit, then on another
//! connection up to `maxSessions`; further runs wait.

mod acquire;
mod spare;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::pipe::{PipeFlags, pipe_with};
use tokio::sync::{Notify, oneshot};

use super::{
    SshError,
    session::{
        self, ChannelType, GuardError, GuardFolder, GuardSlot, GuardedGroup, OpenError, Request, RunState,
        SessionHandle, SessionParams, SessionPipes, Trace, nonce, wrapper,
    },
    target::{Route, SecretSource},
};
use crate::{Pipe, StdinPipe};

/// Number of attempts if a pooled connection turns out to be dead.
const STALE_TRIES: usize = 3;

/// Shared by an executor and its clones.
pub(super) struct Pool {
    pub(super) route: Arc<Route>,
    secrets: Option<SecretSource>,
    orphan_after: Duration,
    idle_after: Duration,
    max_sessions: usize,
    freed: Arc<Notify>,
    /// The agent for new connections, in place of the usual one.
    lent_agent: Mutex<Option<PathBuf>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    handles: Vec<SessionHandle>,
    connecting: bool,
    /// The server allows one channel on a connection, so that the watchdog has a connection of its own.
    solo: bool,
    watch: Option<SessionHandle>,
    /// A wrapper that was started for the next run.
    spare: Option<OpenShell>,
    /// When a run was last started.
    started: Option<Instant>,
}

impl Pool {
    pub(super) fn new(
        route: Arc<Route>,
        secrets: Option<SecretSource>,
        orphan_after: Duration,
        idle_after: Duration,
        max_sessions: usize,
    ) -> Self {
        let (freed, lent_agent, state) = (Arc::new(Notify::new()), Mutex::default(), Mutex::default());
        Self { route, secrets, orphan_after, idle_after, max_sessions: max_sessions.max(1), freed, lent_agent, state }
    }

    /// Uses this agent for new connections, in place of the usual one; with none, the usual one again.
    pub(super) fn lend_agent(&self, agent: Option<PathBuf>) {
        *self.lent_agent.lock().unwrap_or_else(PoisonError::into_inner) = agent;
    }

    /// Returns the route of a new connection.
    fn route_with_agent(&self) -> Arc<Route> {
        let lent = self.lent_agent.lock().unwrap_or_else(PoisonError::into_inner);
        lent.as_ref().map_or_else(|| Arc::clone(&self.route), |agent| Arc::new(self.route.with_agent(agent)))
    }

    /// Connects, unless there is a connection already.
    pub(super) async fn connect(&self) -> Result<(), SshError> {
        if self.lock().handles.iter().any(|handle| handle.is_alive() && !handle.shared().slots().closing) {
            return Ok(());
        }
        let handle = self.acquire().await?;
        // Only the connection was requested, not the slot.
        let mut slots = handle.shared().slots();
        slots.used = slots.used.saturating_sub(1);
        drop(slots);
        self.freed.notify_waiters();
        Ok(())
    }

    /// Opens a channel for the wrapper. If the watchdog's folder is wanted and there is one, it is returned with its
    /// session, and the wrapper does not report its namespace.
    pub(super) async fn open(&self, want_folder: bool) -> Result<OpenShell, SshError> {
        let mut stale = 0;
        loop {
            let handle = self.acquire().await?;
            let mut shell = self.request(&handle, want_folder, false)?;
            match (&mut shell.answer).await {
                Ok(Ok(())) => return Ok(shell),
                Ok(Err(OpenError::Refused { alone: true, watchdog: true, .. })) => self.use_for_watchdog_only(&handle),
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

    /// Requests a channel for the wrapper, in a slot that was taken.
    fn request(&self, handle: &SessionHandle, want_folder: bool, spare: bool) -> Result<OpenShell, SshError> {
        let (session_pipes, pipes) = match pipes() {
            Ok(pipes) => pipes,
            Err(source) => {
                let mut slots = handle.shared().slots();
                slots.used = slots.used.saturating_sub(1);
                return Err(SshError::resources(self.host(), "pipe", source));
            }
        };
        let folder = want_folder.then(|| self.folder(handle)).flatten();
        let (nonce, mark) = (nonce(), nonce());
        let channel_type = ChannelType::Exec { command: wrapper(&nonce, folder.is_none()), mark: Some(mark.clone()) };
        // New for each attempt, because a session that dies reports its end there.
        let run_state = Arc::new(RunState::new());
        run_state.set_spare(spare);
        let (guard, (reply, answer)) = (GuardSlot::default(), oneshot::channel());
        handle.send(Request::Open {
            channel_type,
            session_pipes,
            run_state: Arc::clone(&run_state),
            guard: Arc::clone(&guard),
            reply,
        });
        let handle = handle.clone();
        Ok(OpenShell { handle, pipes, run_state, guard, folder, nonce, mark, answer, since: Instant::now() })
    }

    /// The watchdog's folder for a run over this session, and the session of that watchdog.
    fn folder(&self, run: &SessionHandle) -> Option<(SessionHandle, Arc<GuardFolder>)> {
        let watch = {
            let state = self.lock();
            if state.solo { state.watch.clone()? } else { run.clone() }
        };
        let folder = watch.shared().folder()?;
        Some((watch, folder))
    }

    /// Puts a group under the guard of a watchdog. Returns the session of the watchdog.
    pub(super) async fn guard(
        &self,
        run: &SessionHandle,
        guarded: &GuardedGroup,
        grace: Duration,
        run_state: &Arc<RunState>,
    ) -> Result<SessionHandle, SshError> {
        let solo = self.lock().solo;
        let mut handle = if solo { self.watchdog_session().await? } else { run.clone() };
        loop {
            let (reply, answer) = oneshot::channel();
            let (run_state, shared) = (Arc::clone(run_state), Arc::clone(run.shared()));
            handle.send(Request::Guard { guarded: guarded.clone(), grace, run_state, run: shared, reply });
            match answer.await {
                Ok(Ok(())) => return Ok(handle),
                Ok(Err(GuardError::NoChannel)) if handle == *run => handle = self.watchdog_session().await?,
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

    /// Starts a new session.
    pub(super) async fn start(
        &self,
        watchdog: bool,
        trace: Option<Arc<Mutex<Trace>>>,
    ) -> Result<SessionHandle, SshError> {
        let trace = trace.unwrap_or_else(|| Arc::new(Mutex::new(Trace::new())));
        let answer = session::start(SessionParams {
            route: self.route_with_agent(),
            secrets: self.secrets.clone(),
            orphan_after: self.orphan_after,
            idle_after: self.idle_after,
            watchdog,
            freed: Arc::clone(&self.freed),
            trace,
        });
        let hops = self.route.jumps.iter().chain([&self.route.target]);
        let bound = hops.map(|hop| hop.connect_timeout.saturating_add(hop.auth_timeout)).sum::<Duration>();
        // Each step has a bound and an error of its own. This bound is for everything else, such as a file system
        // that hangs.
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

    /// Adds a session that was started separately.
    pub(super) fn adopt(&self, handle: SessionHandle) {
        self.lock().handles.push(handle);
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

/// The channel of a wrapper.
pub(super) struct OpenShell {
    pub(super) handle: SessionHandle,
    pub(super) pipes: LocalPipes,
    pub(super) run_state: Arc<RunState>,
    pub(super) guard: GuardSlot,
    /// The folder of the watchdog, and the watchdog's session.
    pub(super) folder: Option<(SessionHandle, Arc<GuardFolder>)>,
    /// The word of its greeting.
    pub(super) nonce: String,
    /// The word of the line by which it reports the exit status.
    pub(super) mark: String,
    answer: oneshot::Receiver<Result<(), OpenError>>,
    since: Instant,
}

/// The local ends of a channel's pipes.
pub(super) struct LocalPipes {
    pub(super) stdin: StdinPipe,
    pub(super) stdout: Pipe,
    pub(super) stderr: Pipe,
}

/// Creates three pipes: the ends of the session's thread, and the local ones.
fn pipes() -> std::io::Result<(SessionPipes, LocalPipes)> {
    let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
    let (input, stdin) = pipe_with(flags)?;
    let (stdout, output) = pipe_with(flags)?;
    let (stderr, errors) = pipe_with(flags)?;
    let pipes = LocalPipes { stdin: StdinPipe::new(stdin)?, stdout: Pipe::new(stdout)?, stderr: Pipe::new(stderr)? };
    Ok((SessionPipes { input, output, errors: Some(errors) }, pipes))
}

impl Drop for Pool {
    fn drop(&mut self) {
        let state = self.lock();
        state.handles.iter().chain(&state.watch).for_each(|handle| handle.send(Request::Finish));
        drop(state);
        // This process may be about to exit, before the threads can end the commands.
        let hops = self.route.jumps.iter().chain([&self.route.target]);
        hops.filter_map(|hop| hop.proxy_command.as_ref()).for_each(|command| command.running.end());
    }
}
