//! Starts a session: a thread that connects, reports the result, and then serves.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use mer_core::not_started;
use tokio::sync::{Notify, oneshot};

use super::{
    ChannelType, OpenError, Request, RunState, SessionHandle, SessionPipes, StepKind, Trace,
    handshake::{LoggedIn, connect},
    thread::SessionThread,
    transport::{self, Transport},
};
use crate::ssh::{
    SshError,
    target::{Hop, Route, SecretSource},
};

/// The parameters of a session.
pub(in crate::ssh) struct SessionParams {
    pub(in crate::ssh) route: Arc<Route>,
    pub(in crate::ssh) secrets: Option<SecretSource>,
    pub(in crate::ssh) orphan_after: Duration,
    /// How long it stays without a run.
    pub(in crate::ssh) idle_after: Duration,
    /// Whether it starts a watchdog at once.
    pub(in crate::ssh) watchdog: bool,
    pub(in crate::ssh) freed: Arc<Notify>,
    /// Where its steps are recorded.
    pub(in crate::ssh) trace: Arc<Mutex<Trace>>,
}

/// Starts the thread. The receiver gets the handle after the login, or the error.
pub(in crate::ssh) fn start(start: SessionParams) -> oneshot::Receiver<Result<SessionHandle, SshError>> {
    let (answer, answered) = oneshot::channel();
    let host = start.route.target.label();
    let body = move || {
        let mut trace = Trace::new();
        let result = establish(&start, &mut trace);
        *start.trace.lock().unwrap_or_else(PoisonError::into_inner) = trace;
        match result {
            Ok((thread, handle, jumps)) => {
                // Without a receiver there is nothing to serve.
                if answer.send(Ok(handle)).is_ok() {
                    thread.run();
                }
                // The tunnels close first, then the jump hosts.
                jumps.iter().for_each(|jump| jump.send(Request::Finish));
            }
            Err(error) => drop(answer.send(Err(error))),
        }
    };
    if let Err(source) = thread::Builder::new().name("mer-ssh".to_owned()).spawn(body) {
        let (answer, answered) = oneshot::channel();
        let _ = answer.send(Err(SshError::resources(host, "thread", not_started(source))));
        return answered;
    }
    answered
}

fn establish(
    start: &SessionParams,
    trace: &mut Trace,
) -> Result<(SessionThread, SessionHandle, Vec<SessionHandle>), SshError> {
    let route = &start.route;
    let mut jumps: Vec<SessionHandle> = Vec::new();
    let result = (|| {
        let mut before: Option<&Hop> = None;
        for hop in &route.jumps {
            let ready = enter(start, before.zip(jumps.last()), hop, trace)
                .map_err(|source| SshError::Jump { hop: hop.label(), source: Box::new(source) })?;
            jumps.push(serve_jump(start, hop, ready)?);
            before = Some(hop);
        }
        let ready = enter(start, before.zip(jumps.last()), &route.target, trace)?;
        let handle = SessionHandle::new(Arc::clone(&start.freed))
            .map_err(|errno| SshError::resources(route.target.label(), "eventfd", errno))?;
        let mut thread = SessionThread::new(&route.target, ready, &handle, start.orphan_after, start.idle_after);
        if start.watchdog {
            thread.want_watchdog();
        }
        Ok((thread, handle))
    })();
    match result {
        Ok((thread, handle)) => Ok((thread, handle, jumps)),
        Err(error) => {
            jumps.iter().for_each(|jump| jump.send(Request::Finish));
            Err(error)
        }
    }
}

/// Connects and logs in, directly or through the jump host before.
fn enter(
    start: &SessionParams,
    through: Option<(&Hop, &SessionHandle)>,
    hop: &Hop,
    trace: &mut Trace,
) -> Result<LoggedIn, SshError> {
    let mut dial = |deadline: Instant, trace: &mut Trace| match through {
        Some((before, handle)) => tunnel(handle, before, hop, deadline, trace).map(Transport::from),
        None => transport::direct(hop, deadline, trace),
    };
    connect(hop, &mut dial, start.secrets.as_ref(), trace)
}

/// Serves a jump host's session on its own thread, for as long as it is used.
fn serve_jump(start: &SessionParams, hop: &Hop, ready: LoggedIn) -> Result<SessionHandle, SshError> {
    let handle = SessionHandle::new(Arc::new(Notify::new()))
        .map_err(|errno| SshError::resources(hop.label(), "eventfd", errno))?;
    let long = Duration::from_secs(365 * 86_400);
    let thread = SessionThread::new(hop, ready, &handle, start.orphan_after, long);
    let spawned = thread::Builder::new().name("mer-ssh-jump".to_owned()).spawn(move || thread.run());
    spawned.map_err(|source| SshError::resources(hop.label(), "thread", not_started(source)))?;
    Ok(handle)
}

/// Opens a connection from a jump host to the next host, as a socket, because libssh2 takes nothing else.
fn tunnel(
    handle: &SessionHandle,
    hop: &Hop,
    next: &Hop,
    deadline: Instant,
    trace: &mut Trace,
) -> Result<OwnedFd, SshError> {
    trace.begin(StepKind::Connect);
    let failed = |source: io::Error| SshError::resources(hop.label(), "socket", source);
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    theirs.set_nonblocking(true).map_err(failed)?;
    let output = theirs.try_clone().map_err(failed)?;
    let (reply, answered) = oneshot::channel();
    let channel_type = ChannelType::Tunnel { host: next.host.clone(), port: next.port };
    let session_pipes = SessionPipes { input: theirs.into(), output: output.into(), errors: None };
    handle.send(Request::Open {
        channel_type,
        session_pipes,
        run_state: Arc::new(RunState::new()),
        guard: super::GuardSlot::default(),
        reply,
    });
    match wait(answered, deadline) {
        Some(Ok(())) => {
            trace.note(format!("through {}", hop.label()));
            trace.end();
            Ok(ours.into())
        }
        Some(Err(OpenError::Dead(error))) => Err(SshError::Jump { hop: hop.label(), source: Box::new(error) }),
        Some(Err(OpenError::Refused { detail, .. } | OpenError::NoCommands(detail))) => {
            Err(SshError::NoWayOn { host: next.label(), hop: hop.label(), detail })
        }
        None => Err(super::dial::timed_out(next, "waiting for the jump host to connect")),
    }
}

/// Waits for an answer on a thread without a runtime, at most until the deadline.
fn wait<T>(mut answer: oneshot::Receiver<T>, deadline: Instant) -> Option<T> {
    loop {
        match answer.try_recv() {
            Ok(value) => return Some(value),
            Err(oneshot::error::TryRecvError::Closed) => return None,
            Err(oneshot::error::TryRecvError::Empty) if Instant::now() >= deadline => return None,
            Err(oneshot::error::TryRecvError::Empty) => thread::sleep(Duration::from_micros(500)),
        }
    }
}
