//! The remote watchdog: a few lines of POSIX shell on a channel of their own.
//!
//! It holds the list of the process groups that were started over this connection. It ends them, with TERM and with
//! KILL after the grace period, in three cases: its stdin closes (`mer` or the connection is gone), no heartbeat
//! comes for `orphanAfter` (the network is down, and the server does not know it), or it is terminated itself.
//! Otherwise it sends signals for `mer`, and reports which groups are gone.
//!
//! It makes a folder, in which the wrapper of a run puts a file named after its group before it starts the program. So a
//! run needs no acknowledgement: the watchdog ends the groups in its list and those in the folder. At its end it
//! renames the folder first, so that no wrapper can start a program that it does not see. Names of groups that are gone
//! are removed a few at a time. Where no folder can be made, or a wrapper cannot use it, each group is acknowledged
//! before its program starts.
//!
//! A group that has only zombies left is gone, although it can still be signalled: an orphan stays a zombie until
//! process 1 of the machine or container reaps it, and some do so only every few seconds, or never. A process that
//! may not be signalled (it runs as another user: a setuid program, a forced command that changes the user) is not
//! gone; only the error "no such process" of the C locale means that.
//!
//! A plain shell's `read` has no timeout. A child keeps the time: it sleeps, and unless a heartbeat replaces it by
//! then, it signals the shell, whose trap interrupts the `read`. In mksh a signal interrupts only a `read` with a
//! timeout, which then ends with status 2 and is repeated.

mod replies;
mod script;

pub(crate) use script::script as watchdog_script;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    RunState,
    handle::{GuardError, GuardFolder, GuardedGroup, Shared},
    wrapper::same_namespace,
};

/// Time between two checks whether a killed group is gone.
const ASK: Duration = Duration::from_millis(20);
/// Time between two checks for processes that ended while others hold their pipes.
const LOOK: Duration = Duration::from_secs(1);
/// Maximum time between two heartbeats, however long `orphanAfter` is.
const SLOWEST_BEAT: Duration = Duration::from_secs(10);

/// How often a watchdog that was killed is replaced.
const RESTARTS: u32 = 3;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not needed so far.
    Off,
    /// Its channel is being opened, or its script has not answered.
    Starting,
    Ready,
    /// The session has no watchdog, and will have none.
    Never,
}

/// The watchdog of a session, as the session's thread sees it.
#[derive(Debug)]
pub(super) struct Watchdog {
    pub(super) phase: Phase,
    orphan_after: Duration,
    nonce: String,
    /// Its session.
    shared: Arc<Shared>,
    folder: Option<Arc<GuardFolder>>,
    greeted: bool,
    /// Its PID namespace.
    namespace: String,
    restarts: u32,
    groups: BTreeMap<i32, Group>,
    /// The script, until it is sent: the first line that the wrapper reads.
    unsent_script: Vec<u8>,
    /// Lines for the script that are still to be sent. They wait until it has answered: before that they would be taken for
    /// the script, or would come before the groups that they belong to.
    outbox: Vec<u8>,
    next_beat: Instant,
    next_look: Instant,
}

#[derive(Debug)]
struct Group {
    grace: Duration,
    /// Its PID namespace.
    namespace: String,
    /// Its name in the folder, without the group.
    name: Option<String>,
    run_state: Arc<RunState>,
    /// The session of the run's channel. Another one if the watchdog has a connection of its own.
    run: Arc<Shared>,
    reply: Option<oneshot::Sender<Result<(), GuardError>>>,
    left: bool,
    /// TERM was requested. A watchdog that was killed may not have sent it.
    terminated: bool,
    /// Set when the run is over: when to ask again whether the group is gone.
    released: Option<Instant>,
}

impl Watchdog {
    pub(super) fn new(orphan_after: Duration, nonce: String, shared: Arc<Shared>) -> Self {
        let now = Instant::now();
        Self {
            phase: Phase::Off,
            orphan_after,
            nonce,
            shared,
            folder: None,
            greeted: false,
            namespace: String::new(),
            restarts: 0,
            groups: BTreeMap::new(),
            unsent_script: Vec::new(),
            outbox: Vec::new(),
            next_beat: now,
            next_look: now,
        }
    }

    /// Whether it guards groups.
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
        let GuardedGroup { group, namespace, name } = guarded;
        if self.phase == Phase::Never {
            let _ = reply.send(Err(GuardError::NoChannel));
            return;
        }
        if self.phase == Phase::Ready
            && let Err(error) = same_namespace(&self.namespace, &namespace)
        {
            let _ = reply.send(Err(error));
            return;
        }
        let named = name.is_some();
        let (reply, left, terminated, released) = (Some(reply), false, false, None);
        let mut entry = Group { grace, namespace, name, run_state, run, reply, left, terminated, released };
        if named && let Some(reply) = entry.reply.take() {
            let _ = reply.send(Ok(()));
        }
        self.groups.insert(group, entry);
        if self.phase == Phase::Ready {
            self.send_add(group);
        }
    }

    pub(super) fn terminate(&mut self, group: i32) {
        if let Some(entry) = self.groups.get_mut(&group) {
            entry.terminated = true;
        }
        self.send(&format!("t {group}\n"));
    }

    /// Sends KILL, and asks from then on whether the group is gone.
    pub(super) fn kill(&mut self, group: i32) {
        self.send(&format!("k {group}\n"));
        self.release(group);
    }

    pub(super) fn release(&mut self, group: i32) {
        if let Some(entry) = self.groups.get_mut(&group).filter(|entry| entry.released.is_none()) {
            // Usually the answer comes first, and sets the next time.
            entry.released = Some(Instant::now() + Duration::from_secs(1));
            let line = entry.release_line(group);
            self.send(&line);
        }
    }

    /// Puts everything that is due into the outbox.
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
                lines.push_str(&entry.release_line(*group));
            }
        }
        self.outbox.extend_from_slice(lines.as_bytes());
    }

    /// Sends a heartbeat, which is answered.
    pub(super) fn beat(&mut self) {
        self.next_beat = Instant::now() + (self.orphan_after / 3).min(SLOWEST_BEAT);
        self.outbox.extend_from_slice(b"b\n");
    }

    /// When something is due next.
    pub(super) fn wake(&self) -> Option<Instant> {
        if self.phase != Phase::Ready {
            return None;
        }
        let asked = self.groups.values().filter_map(|group| group.released);
        let look = self.groups.values().any(|group| !group.left && group.released.is_none()).then_some(self.next_look);
        asked.chain(look).chain([self.next_beat]).min()
    }

    /// Whether something can be sent at present.
    pub(super) fn has_outgoing(&self) -> bool {
        match self.phase {
            Phase::Ready => !self.outbox.is_empty(),
            Phase::Off | Phase::Starting | Phase::Never => !self.unsent_script.is_empty(),
        }
    }

    /// Takes what can be sent at present.
    pub(super) fn outgoing(&mut self) -> Vec<u8> {
        match self.phase {
            Phase::Ready => std::mem::take(&mut self.outbox),
            Phase::Off | Phase::Starting | Phase::Never => std::mem::take(&mut self.unsent_script),
        }
    }

    /// The watchdog ended, and the session lives: it was killed. Returns whether another one may take over its
    /// groups.
    pub(super) fn may_begin_again(&mut self) -> bool {
        if self.phase != Phase::Ready || self.restarts >= RESTARTS {
            return false;
        }
        self.restarts += 1;
        (self.phase, self.greeted) = (Phase::Off, false);
        self.shared.set_folder(None);
        self.unsent_script.clear();
        self.outbox.clear();
        let mut lines = String::new();
        for (group, entry) in &mut self.groups {
            entry.released = entry.released.map(|_| Instant::now());
            if entry.terminated {
                lines.push_str(&format!("t {group}\n"));
            }
        }
        self.send(&lines);
        true
    }

    /// There is no watchdog, or none any more.
    pub(super) fn fail(&mut self, error: &GuardError) {
        self.phase = Phase::Never;
        self.shared.set_folder(None);
        self.unsent_script.clear();
        self.outbox.clear();
        for group in std::mem::take(&mut self.groups).into_values() {
            group.run_state.unverifiable();
            if let Some(reply) = group.reply {
                let _ = reply.send(Err(error.clone()));
            }
        }
    }

    fn send(&mut self, line: &str) {
        if self.phase == Phase::Never {
            return;
        }
        self.outbox.extend_from_slice(line.as_bytes());
    }

    /// It is acknowledged only if a reply is due.
    fn send_add(&mut self, group: i32) {
        if let Some(entry) = self.groups.get(&group) {
            let verb = if entry.reply.is_some() { "a" } else { "h" };
            let line = format!("{verb} {group} {}\n", tenths(entry.grace));
            self.send(&line);
        }
    }
}

/// The grace period for the script, in tenths of a second.
pub(crate) fn tenths(grace: Duration) -> u128 {
    grace.as_millis().div_ceil(100).max(1)
}

impl Group {
    /// With its file in the folder, which is not needed any more once the group is gone.
    fn release_line(&self, group: i32) -> String {
        match &self.name {
            Some(name) => format!("r {group} {group}.{name}\n"),
            None => format!("r {group}\n"),
        }
    }
}

#[cfg(test)]
mod tests;
