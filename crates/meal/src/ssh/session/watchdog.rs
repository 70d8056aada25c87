//! The watchdog over there: a few lines of POSIX shell on a channel of its own.
//!
//! It holds the process groups that were started over this connection. It ends them, TERM first and KILL after the
//! grace, when its stdin closes (`mer` is gone, or the connection is), when no heartbeat comes for `orphanAfter` (the
//! cable was pulled, and the server does not know it), and when somebody ends it. While all is well it sends signals for
//! `mer` and says which groups are gone.
//!
//! A group of which only zombies are left is gone, although they can still be signalled: an orphan is a zombie until the
//! first process of the machine or container takes it, and some of those do so every other second, or never. A process
//! that may not be signalled (it runs as another user: a setuid program, a forced command that changes the user) is not
//! gone: only "no such process", in the C locale's words, means that.
//!
//! `read` in a plain shell knows no time, so the time is kept by a child: it sleeps, and unless a heartbeat has replaced
//! it by then it signals the shell, whose trap interrupts the `read`. In mksh only a `read` that knows the time is
//! interrupted, by any signal: it ends with 2 then, and is begun again.

mod replies;
mod script;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    RunState,
    handle::{GuardError, GuardedGroup, Shared},
    wrapper::same_namespace,
};

/// Between two questions whether a group that was killed is gone.
const ASK: Duration = Duration::from_millis(20);
/// Between two looks for processes that left their pipes to others.
const LOOK: Duration = Duration::from_secs(1);
/// However long `orphanAfter` is, a heartbeat comes at least this often.
const SLOWEST_BEAT: Duration = Duration::from_secs(10);

/// So often is one that was killed replaced.
const RESTARTS: u32 = 3;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nobody has needed it yet.
    Off,
    /// Its channel is being opened, or its script has not answered.
    Starting,
    Ready,
    /// There will be none on this session.
    Never,
}

/// The watchdog of a session, as its thread sees it.
#[derive(Debug)]
pub(super) struct Watchdog {
    pub(super) phase: Phase,
    orphan_after: Duration,
    nonce: String,
    greeted: bool,
    /// The PID namespace that it is in.
    namespace: String,
    restarts: u32,
    groups: BTreeMap<i32, Group>,
    /// Lines on their way to it.
    outbox: Vec<u8>,
    next_beat: Instant,
    next_look: Instant,
}

#[derive(Debug)]
struct Group {
    grace: Duration,
    /// The PID namespace that it is in.
    namespace: String,
    run_state: Arc<RunState>,
    /// The session that the run's channel is on; another one where the watchdog has a connection of its own.
    run: Arc<Shared>,
    reply: Option<oneshot::Sender<Result<(), GuardError>>>,
    left: bool,
    /// Over; asked again at this time whether it is gone.
    released: Option<Instant>,
}

impl Watchdog {
    pub(super) fn new(orphan_after: Duration, nonce: String) -> Self {
        let now = Instant::now();
        Self {
            phase: Phase::Off,
            orphan_after,
            nonce,
            greeted: false,
            namespace: String::new(),
            restarts: 0,
            groups: BTreeMap::new(),
            outbox: Vec::new(),
            next_beat: now,
            next_look: now,
        }
    }

    /// Whether groups depend on it.
    pub(super) fn is_needed(&self) -> bool {
        !self.groups.is_empty()
    }

    pub(super) fn nonce(&self) -> &str {
        &self.nonce
    }

    pub(super) fn guard(
        &mut self,
        guarded: GuardedGroup,
        grace: Duration,
        run_state: Arc<RunState>,
        run: Arc<Shared>,
        reply: oneshot::Sender<Result<(), GuardError>>,
    ) {
        let GuardedGroup { group, namespace } = guarded;
        if self.phase == Phase::Never {
            let _ = reply.send(Err(GuardError::NoChannel));
            return;
        }
        if self.phase == Phase::Ready {
            if let Err(error) = same_namespace(&self.namespace, &namespace) {
                let _ = reply.send(Err(error));
                return;
            }
            self.tell_add(group, grace);
        }
        let entry = Group { grace, namespace, run_state, run, reply: Some(reply), left: false, released: None };
        self.groups.insert(group, entry);
    }

    pub(super) fn terminate(&mut self, group: i32) {
        self.tell(&format!("t {group}\n"));
    }

    /// KILL, and from then on the question whether the group is gone.
    pub(super) fn kill(&mut self, group: i32) {
        self.tell(&format!("k {group}\n"));
        self.release(group);
    }

    pub(super) fn release(&mut self, group: i32) {
        if let Some(entry) = self.groups.get_mut(&group).filter(|entry| entry.released.is_none()) {
            // The next question is asked when this one has been answered.
            entry.released = Some(Instant::now() + Duration::from_secs(1));
            self.tell(&format!("r {group}\n"));
        }
    }

    /// What is due, into the outbox.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.phase != Phase::Ready {
            return;
        }
        if now >= self.next_beat {
            self.beat();
        }
        if now >= self.next_look {
            self.next_look = now + LOOK;
            if self.groups.values().any(|group| !group.left && group.released.is_none()) {
                self.outbox.extend_from_slice(b"c\n");
            }
        }
        let mut lines = String::new();
        for (group, entry) in &mut self.groups {
            if entry.released.is_some_and(|at| now >= at) {
                entry.released = Some(now + Duration::from_secs(1));
                lines.push_str(&format!("r {group}\n"));
            }
        }
        self.outbox.extend_from_slice(lines.as_bytes());
    }

    /// A word that wants an answer.
    pub(super) fn beat(&mut self) {
        self.next_beat = Instant::now() + (self.orphan_after / 3).min(SLOWEST_BEAT);
        self.outbox.extend_from_slice(b"b\n");
    }

    /// When something is due.
    pub(super) fn wake(&self) -> Option<Instant> {
        if self.phase != Phase::Ready {
            return None;
        }
        let asked = self.groups.values().filter_map(|group| group.released);
        let look = self.groups.values().any(|group| !group.left && group.released.is_none()).then_some(self.next_look);
        asked.chain(look).chain([self.next_beat]).min()
    }

    pub(super) fn has_outgoing(&self) -> bool {
        !self.outbox.is_empty()
    }

    pub(super) fn outgoing(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.outbox)
    }

    /// It ended though we live: killed for memory, or by somebody. Another one takes over its groups, unless it is a habit.
    pub(super) fn may_begin_again(&mut self) -> bool {
        if self.phase != Phase::Ready || self.restarts >= RESTARTS {
            return false;
        }
        self.restarts += 1;
        (self.phase, self.greeted) = (Phase::Off, false);
        self.outbox.clear();
        for group in self.groups.values_mut() {
            group.released = group.released.map(|_| Instant::now());
        }
        true
    }

    /// It will not be, or is not any more.
    pub(super) fn fail(&mut self, error: &GuardError) {
        self.phase = Phase::Never;
        for group in std::mem::take(&mut self.groups).into_values() {
            group.run_state.unverifiable();
            if let Some(reply) = group.reply {
                let _ = reply.send(Err(error.clone()));
            }
        }
    }

    fn tell(&mut self, line: &str) {
        self.outbox.extend_from_slice(line.as_bytes());
    }

    /// The grace goes over in tenths of a second.
    fn tell_add(&mut self, group: i32, grace: Duration) {
        let tenths = grace.as_millis().div_ceil(100).max(1);
        self.tell(&format!("a {group} {tenths}\n"));
    }
}

#[cfg(test)]
mod tests;
