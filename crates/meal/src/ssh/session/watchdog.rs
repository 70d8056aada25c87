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

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    RunState,
    handle::{GuardError, GuardedGroup, Request, Shared},
    wrapper::{greeting, same_place},
};

/// Between two questions whether a group that was killed is gone.
const ASK: Duration = Duration::from_millis(20);
/// Between two looks for processes that left their pipes to others.
const LOOK: Duration = Duration::from_secs(1);
/// However long `orphanAfter` is, a heartbeat comes at least this often.
const SLOWEST_BEAT: Duration = Duration::from_secs(10);

/// So often is one that was killed replaced.
const RESTARTS: u32 = 3;

/// The script, in one line: it is sent to the wrapper's `read`. `ORPHAN` is replaced by the seconds. The second `ps` is
/// busybox's, which shows all and knows no `-A`.
const SCRIPT: &str = concat!(
    "exec 2>/dev/null; LC_ALL=C; export LC_ALL; gs=; gr=1; tp=; ",
    "there(){ kill -0 $1||case $(kill -0 $1 2>&1) in *\"o such process\"*)return 1;;esac;}; ",
    "fin(){ trap '' USR1 TERM HUP INT PIPE; [ -n \"$tp\" ]&&kill $tp; for g in $gs;do kill -TERM -$g;done; n=0; ",
    "while [ -n \"$gs\" ]&&[ $n -lt $gr ];do sleep 0.1||{ sleep 1;n=$((n+9));}; n=$((n+1)); k=; ",
    "for g in $gs;do there -$g&&k=\"$k $g\";done; gs=$k;done; for g in $gs;do kill -KILL -$g;done; exit 0;}; ",
    "beat(){ [ -n \"$tp\" ]&&kill $tp; ",
    "(trap 'kill $sp' TERM;sleep ORPHAN & sp=$!;wait $sp&&kill -USR1 $$) </dev/null >/dev/null & tp=$!;}; ",
    "dead(){ x=$(ps -A -o pgid= -o stat=||ps -o pgid,stat)&&[ -n \"$x\" ]&&echo \"$x\"|(while read -r p s;do ",
    "[ \"$p\" = $1 ]&&case $s in Z*|X*);;*)exit 1;;esac;done;exit 0);}; ",
    "trap fin USR1 TERM HUP INT; trap '' PIPE; beat; echo r; ",
    "rd(){ read -r v a b;}; case $KSH_VERSION in *MIRBSD*)",
    "rd(){ while :;do read -t ORPHAN -r v a b;e=$?;[ $e = 2 ]||return $e;done;};;esac; ",
    "while rd;do case $v in ",
    "a) gs=\"$gs $a\"; [ \"$b\" -gt $gr ]&&gr=$b; echo \"a $a\";; ",
    "t) kill -TERM -$a;; ",
    "k) kill -KILL -$a;; ",
    "r) kill -KILL -$a; if there -$a&&! dead $a;then kill -0 -$a&&echo \"s $a\"||echo \"n $a\";else k=; for g in $gs;do [ $g = $a ]||k=\"$k $g\";done; ",
    "gs=$k; echo \"g $a\";fi;; ",
    "c) for g in $gs;do there $g||echo \"e $g\";done;; ",
    "b) beat; echo b;; ",
    "esac;done; fin",
);

/// The script with its number. A `sleep` need not know fractions, so there is one only where it is asked for.
fn script(orphan_after: Duration) -> String {
    let seconds = orphan_after.as_secs_f64();
    let seconds = if seconds.fract() == 0.0 { format!("{seconds:.0}") } else { format!("{seconds:.3}") };
    SCRIPT.replace("ORPHAN", &seconds) + "\n"
}

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
    report: Arc<RunState>,
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
        ward: GuardedGroup,
        grace: Duration,
        report: Arc<RunState>,
        run: Arc<Shared>,
        reply: oneshot::Sender<Result<(), GuardError>>,
    ) {
        let GuardedGroup { group, namespace } = ward;
        if self.phase == Phase::Never {
            let _ = reply.send(Err(GuardError::NoChannel));
            return;
        }
        if self.phase == Phase::Ready {
            if let Err(error) = same_place(&self.namespace, &namespace) {
                let _ = reply.send(Err(error));
                return;
            }
            self.tell_add(group, grace);
        }
        let entry = Group { grace, namespace, report, run, reply: Some(reply), left: false, released: None };
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

    /// Reads what it has written, and takes off whole lines.
    pub(super) fn hear(&mut self, memory: &mut Vec<u8>) {
        if !self.greeted {
            let text = String::from_utf8_lossy(memory);
            let Some(said) = greeting(&text, &self.nonce) else { return };
            self.namespace = said.namespace;
            // Nothing comes after the greeting before the script goes out.
            memory.clear();
            self.greeted = true;
            // Before anything else: only the script understands the rest.
            self.outbox.splice(0..0, script(self.orphan_after).into_bytes());
        }
        while let Some(end) = memory.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = memory.drain(..=end).collect();
            self.line(String::from_utf8_lossy(&line).trim());
        }
    }

    fn line(&mut self, line: &str) {
        if line == "r" && self.phase == Phase::Starting {
            self.phase = Phase::Ready;
            self.next_beat = Instant::now() + (self.orphan_after / 3).min(SLOWEST_BEAT);
            self.refuse_strangers();
            let waiting: Vec<_> = self.groups.iter().map(|(group, entry)| (*group, entry.grace)).collect();
            waiting.into_iter().for_each(|(group, grace)| self.tell_add(group, grace));
            return;
        }
        let Some((verb, Ok(group))) = line.split_once(' ').map(|(verb, group)| (verb, group.parse::<i32>())) else {
            return;
        };
        let Some(entry) = self.groups.get_mut(&group) else { return };
        match verb {
            "a" => {
                if let Some(reply) = entry.reply.take() {
                    let _ = reply.send(Ok(()));
                }
            }
            "e" if !entry.left => {
                entry.left = true;
                entry.run.send(Request::Left(Arc::clone(&entry.report)));
            }
            "s" if entry.released.is_some() => entry.released = Some(Instant::now() + ASK),
            // It is over as far as it can be known, and what stays of it will stay.
            "n" if entry.report.now().is_some() => drop(self.groups.remove(&group)),
            "n" => {
                entry.report.not_permitted();
                entry.released = entry.released.map(|_| Instant::now() + LOOK);
            }
            "g" => {
                entry.report.gone();
                self.groups.remove(&group);
            }
            _ => {}
        }
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
            group.report.blind();
            if let Some(reply) = group.reply {
                let _ = reply.send(Err(error.clone()));
            }
        }
    }

    /// Lets go of groups that cannot be seen from where the watchdog is.
    fn refuse_strangers(&mut self) {
        let namespace = &self.namespace;
        for (_, entry) in self.groups.extract_if(.., |_, entry| same_place(namespace, &entry.namespace).is_err()) {
            if let (Some(reply), Err(error)) = (entry.reply, same_place(namespace, &entry.namespace)) {
                let _ = reply.send(Err(error));
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
