//! The handle of a session's thread: takes requests and answers each, even if the session dies.

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::{Notify, oneshot};

use super::RunState;
use crate::ssh::SshError;

/// The type of a channel.
#[derive(Debug)]
pub(in crate::ssh) enum ChannelType {
    /// A command for the login shell, and the word of its exit marker, if it writes one.
    Exec { command: String, mark: Option<String> },
    /// A TCP connection from the server to another host.
    Tunnel { host: String, port: u16 },
}

/// The ends of the pipes that the thread holds: it reads `input`, and writes `output` and `errors`.
#[derive(Debug)]
pub(in crate::ssh) struct SessionPipes {
    pub(in crate::ssh) input: OwnedFd,
    pub(in crate::ssh) output: OwnedFd,
    pub(in crate::ssh) errors: Option<OwnedFd>,
}

/// Why a channel was not opened.
#[derive(Debug, Clone)]
pub(in crate::ssh) enum OpenError {
    /// The server refuses one more channel beside the open ones. The session is still usable.
    Refused {
        alone: bool,
        watchdog: bool,
        detail: String,
    },
    /// The channel was opened, and the server refuses to run the command.
    NoCommands(String),
    Dead(SshError),
}

/// Why a group is not guarded.
#[derive(Debug, Clone)]
pub(in crate::ssh) enum GuardError {
    /// The session has no channel left for a watchdog.
    NoChannel,
    /// The watchdog did not start.
    Failed(String),
    Dead(SshError),
}

/// A request to the thread.
#[derive(Debug)]
pub(in crate::ssh) enum Request {
    Open {
        channel_type: ChannelType,
        session_pipes: SessionPipes,
        run_state: Arc<RunState>,
        guard: GuardSlot,
        reply: oneshot::Sender<Result<(), OpenError>>,
    },
    /// Puts a group under the guard of the watchdog; answered when the watchdog has acknowledged it. With a name in the
    /// watchdog's folder, the group is guarded by that name until then, and it is answered at once.
    Guard {
        guarded: GuardedGroup,
        grace: Duration,
        run_state: Arc<RunState>,
        run: Arc<Shared>,
        reply: oneshot::Sender<Result<(), GuardError>>,
    },
    /// Sends TERM to a group.
    Terminate(i32),
    /// Sends KILL to a group.
    Kill(i32),
    /// A run is over: the rest of its group is killed, and then forgotten.
    Release(i32),
    /// The process of a run has ended, and its channel is open: report its exit once its output was passed on.
    Left(Arc<RunState>),
    /// End when no run is left.
    Finish,
}

/// A group to guard.
#[derive(Debug, Clone)]
pub(in crate::ssh) struct GuardedGroup {
    pub(in crate::ssh) group: i32,
    /// Its PID namespace, if the wrapper reported it.
    pub(in crate::ssh) namespace: String,
    /// Its name in the watchdog's folder, without the group.
    pub(in crate::ssh) name: Option<String>,
}

/// The folder of a watchdog, on the server. A wrapper puts its group there before it starts a program.
#[derive(Debug)]
pub(in crate::ssh) struct GuardFolder {
    /// Absolute path.
    pub(in crate::ssh) path: String,
    /// The process ID of the watchdog. The folder is its working directory.
    pub(in crate::ssh) pid: i32,
    refused: AtomicBool,
}

impl GuardFolder {
    pub(super) const fn new(path: String, pid: i32) -> Self {
        Self { path, pid, refused: AtomicBool::new(false) }
    }

    /// A wrapper could not put its group there: the watchdog acknowledges each group from now on.
    pub(in crate::ssh) fn refuse(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }
}

/// Where a run's group is guarded; empty until it is.
pub(in crate::ssh) type GuardSlot = Arc<std::sync::OnceLock<(SessionHandle, i32)>>;

impl Request {
    fn refuse(self, error: &SshError) {
        match self {
            Self::Open { reply, run_state, .. } => {
                run_state.lost(&error.to_string());
                let _ = reply.send(Err(OpenError::Dead(error.clone())));
            }
            Self::Guard { reply, run_state, .. } => {
                run_state.unverifiable();
                let _ = reply.send(Err(GuardError::Dead(error.clone())));
            }
            Self::Terminate(_) | Self::Kill(_) | Self::Release(_) | Self::Left(_) | Self::Finish => {}
        }
    }
}

/// The number of channels of a session.
#[derive(Debug)]
pub(in crate::ssh) struct Slots {
    /// Taken by runs, from before the channel is opened until both sides have closed it.
    pub(in crate::ssh) used: usize,
    /// Maximum number that the server allows, as far as refusals have shown.
    pub(in crate::ssh) most: usize,
    /// Takes no more channels: the session is idle and ends, or it is lost.
    pub(in crate::ssh) closing: bool,
}

/// Shared by the handle and the thread.
#[derive(Debug)]
pub(in crate::ssh) struct Shared {
    inbox: Mutex<Inbox>,
    pub(super) wake: OwnedFd,
    pub(in crate::ssh) slots: Mutex<Slots>,
    /// The folder of the watchdog, if it has one.
    folder: Mutex<Option<Arc<GuardFolder>>>,
    /// Notified when a slot of the pool becomes free, or a session ends.
    pub(in crate::ssh) freed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Inbox {
    requests: Vec<Request>,
    closed: Option<SshError>,
}

/// The handle of a session. Clones are handles of the same session.
#[derive(Debug, Clone)]
pub(in crate::ssh) struct SessionHandle(pub(super) Arc<Shared>);

impl SessionHandle {
    pub(super) fn new(freed: Arc<Notify>) -> rustix::io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let slots = Mutex::new(Slots { used: 0, most: usize::MAX, closing: false });
        Ok(Self(Arc::new(Shared { inbox: Mutex::default(), wake, slots, folder: Mutex::default(), freed })))
    }

    /// Sends a request. If the session is dead, the answer says so.
    pub(in crate::ssh) fn send(&self, request: Request) {
        self.0.send(request);
    }

    pub(in crate::ssh) fn shared(&self) -> &Arc<Shared> {
        &self.0
    }

    /// Whether it takes requests.
    pub(in crate::ssh) fn is_alive(&self) -> bool {
        self.0.lock().closed.is_none()
    }
}

impl PartialEq for SessionHandle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Shared {
    pub(super) fn send(&self, request: Request) {
        let mut inbox = self.lock();
        if let Some(error) = inbox.closed.clone() {
            drop(inbox);
            request.refuse(&error);
            return;
        }
        let first = inbox.requests.is_empty();
        inbox.requests.push(request);
        drop(inbox);
        if first {
            let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
        }
    }

    /// Takes the requests since the last call.
    pub(super) fn take(&self) -> Vec<Request> {
        std::mem::take(&mut self.lock().requests)
    }

    /// Answers all waiting and all later requests with this error.
    pub(super) fn close(&self, error: &SshError) {
        let waiting = {
            let mut inbox = self.lock();
            inbox.closed = Some(error.clone());
            std::mem::take(&mut inbox.requests)
        };
        self.slots().closing = true;
        waiting.into_iter().for_each(|request| request.refuse(error));
        self.freed.notify_waiters();
    }

    /// The folder of the watchdog, if wrappers can use it.
    pub(in crate::ssh) fn folder(&self) -> Option<Arc<GuardFolder>> {
        let folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        folder.as_ref().filter(|folder| !folder.refused.load(Ordering::Relaxed)).map(Arc::clone)
    }

    pub(super) fn set_folder(&self, folder: Option<Arc<GuardFolder>>) {
        *self.folder.lock().unwrap_or_else(PoisonError::into_inner) = folder;
    }

    pub(in crate::ssh) fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the limit that a refusal has shown, and frees the slot.
    pub(super) fn refused(&self, runs: usize) {
        let mut slots = self.slots();
        slots.most = slots.most.min(runs);
        drop(slots);
        self.free();
    }

    /// Frees the slot of a run.
    pub(super) fn free(&self) {
        let mut slots = self.slots();
        slots.used = slots.used.saturating_sub(1);
        drop(slots);
        self.freed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
