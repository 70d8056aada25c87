//! Our end of a session's thread: requests go in, and each is answered, also when the session dies.

use std::{
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::{Notify, oneshot};

use super::RunState;
use crate::ssh::SshError;

/// What a channel is for.
#[derive(Debug)]
pub(in crate::ssh) enum ChannelType {
    /// A command for the login shell; with the word of the mark that tells how it ended, where it writes one.
    Exec { command: String, mark: Option<String> },
    /// A connection that goes on from there.
    Tunnel { host: String, port: u16 },
}

/// The ends of pipes that the thread holds: what it reads goes over there, what comes from there it writes.
#[derive(Debug)]
pub(in crate::ssh) struct SessionPipes {
    pub(in crate::ssh) input: OwnedFd,
    pub(in crate::ssh) output: OwnedFd,
    pub(in crate::ssh) errors: Option<OwnedFd>,
}

/// Why a channel was not opened.
#[derive(Debug, Clone)]
pub(in crate::ssh) enum OpenError {
    /// The server refuses one more channel beside those that are open. The session is as good as before.
    Refused {
        alone: bool,
        watchdog: bool,
        detail: String,
    },
    /// The channel is there, and the server runs no commands on it.
    NoCommands(String),
    Dead(SshError),
}

/// Why a group is not guarded.
#[derive(Debug, Clone)]
pub(in crate::ssh) enum GuardError {
    /// This session has no channel left for a watchdog.
    NoChannel,
    /// The watchdog did not start.
    Failed(String),
    Dead(SshError),
}

/// What the thread is asked to do.
#[derive(Debug)]
pub(in crate::ssh) enum Request {
    Open {
        channel_type: ChannelType,
        session_pipes: SessionPipes,
        run_state: Arc<RunState>,
        guard: GuardSlot,
        reply: oneshot::Sender<Result<(), OpenError>>,
    },
    /// Takes a group under the watchdog's guard; answered when the watchdog says so.
    Guard {
        guarded: GuardedGroup,
        grace: Duration,
        run_state: Arc<RunState>,
        run: Arc<Shared>,
        reply: oneshot::Sender<Result<(), GuardError>>,
    },
    /// TERM to a group.
    Terminate(i32),
    /// KILL to a group.
    Kill(i32),
    /// A run is over: whoever is left of its group is killed, and then it is forgotten.
    Release(i32),
    /// The process of a run is gone, and its channel is open: say how it ended, once what it wrote has been passed on.
    Left(Arc<RunState>),
    /// End when nothing runs any more.
    Finish,
}

/// A group to be guarded, and the PID namespace that it is in.
#[derive(Debug, Clone)]
pub(in crate::ssh) struct GuardedGroup {
    pub(in crate::ssh) group: i32,
    pub(in crate::ssh) namespace: String,
}

/// Where a run's group is guarded, once it is.
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

/// How many channels a session carries.
#[derive(Debug)]
pub(in crate::ssh) struct Slots {
    /// Taken by runs, from before the channel is opened until it is closed on both sides.
    pub(in crate::ssh) used: usize,
    /// How many the server grants, as far as refusals have told.
    pub(in crate::ssh) most: usize,
    /// No more: it is idle and ends, or it is lost.
    pub(in crate::ssh) closing: bool,
}

/// What both sides of the door share.
#[derive(Debug)]
pub(in crate::ssh) struct Shared {
    inbox: Mutex<Inbox>,
    pub(super) wake: OwnedFd,
    pub(in crate::ssh) slots: Mutex<Slots>,
    /// Of the whole pool: a slot became free, or a session ended.
    pub(in crate::ssh) freed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Inbox {
    requests: Vec<Request>,
    closed: Option<SshError>,
}

/// A session as seen from outside its thread. Clones are the same session.
#[derive(Debug, Clone)]
pub(in crate::ssh) struct SessionHandle(pub(super) Arc<Shared>);

impl SessionHandle {
    pub(super) fn new(freed: Arc<Notify>) -> rustix::io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let slots = Mutex::new(Slots { used: 0, most: usize::MAX, closing: false });
        Ok(Self(Arc::new(Shared { inbox: Mutex::default(), wake, slots, freed })))
    }

    /// Asks for something. If the session is dead, the answer is that.
    pub(in crate::ssh) fn send(&self, request: Request) {
        self.0.send(request);
    }

    pub(in crate::ssh) fn shared(&self) -> &Arc<Shared> {
        &self.0
    }

    /// Whether it still takes requests.
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

    /// What has been asked for since the last call.
    pub(super) fn take(&self) -> Vec<Request> {
        std::mem::take(&mut self.lock().requests)
    }

    /// From now on every request is answered with this, and those that wait are too.
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

    pub(in crate::ssh) fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns from a refusal how many channels there may be, and gives the slot back.
    pub(super) fn refused(&self, runs: usize) {
        let mut slots = self.slots();
        slots.most = slots.most.min(runs);
        drop(slots);
        self.free();
    }

    /// Gives a run's slot back.
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
