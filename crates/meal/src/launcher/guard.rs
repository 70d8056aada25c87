//! Guards a process: speaks with its watchdog as long as the process lives.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mer_core::Bound;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};

use super::{executor::LauncherExecutor, guard_request::Request, watchdog::Watchdog};
use crate::{
    exit_marker::exit_of_shell,
    ssh::{RunState, is_same_namespace, tenths},
    stderr_relay::StderrRelay,
};

/// Time between two checks for a process that has ended while others hold its pipes.
const LOOK: Duration = Duration::from_secs(1);
/// Time between two checks whether a group that was ended is gone.
const ASK: Duration = Duration::from_millis(50);
/// Number of looks after which a process that has ended without a report counts as lost.
const UNREPORTED_LOOKS: u32 = 5;
/// How often a watchdog that was killed is replaced, and how long that may take.
const RESTARTS: u32 = 3;
const RESTART_BOUND: Duration = Duration::from_secs(30);

/// The process and where what is known of it is written.
pub(super) struct Guarded {
    pub(super) launcher: LauncherExecutor,
    pub(super) group: i32,
    pub(super) namespace: String,
    /// Name of its file in the folder of the watchdog, if it has one.
    pub(super) name: Option<String>,
    pub(super) grace: Duration,
    pub(super) run_state: Arc<RunState>,
    pub(super) relay: Arc<StderrRelay>,
    /// Set when a watchdog ended before its process: it may have ended the process.
    pub(super) was_cut: Arc<AtomicBool>,
}

/// A guard at work.
struct Guard {
    guarded: Guarded,
    watchdog: Watchdog,
    restarts: u32,
    /// TERM was requested. A watchdog that was killed may not have sent it.
    terminated: bool,
    next_beat: Instant,
    next_look: Instant,
    /// When it is asked next whether the group is gone, once the process is over.
    next_ask: Option<Instant>,
    /// When the heartbeat was sent that has no answer yet.
    unanswered: Option<Instant>,
    /// Number of looks that found the process ended.
    looks: u32,
}

/// Guards a process in a task of its own, which ends with the group.
pub(super) fn guard(guarded: Guarded, mut watchdog: Watchdog) -> mpsc::UnboundedSender<Request> {
    let (sender, requests) = mpsc::unbounded_channel();
    watchdog.send(&guarded.line());
    let now = Instant::now();
    let guard = Guard {
        guarded,
        watchdog,
        restarts: 0,
        terminated: false,
        next_beat: now,
        next_look: now + LOOK,
        next_ask: None,
        unanswered: None,
        looks: 0,
    };
    tokio::spawn(guard.work(requests));
    sender
}

impl Guarded {
    /// Returns the line that puts the group under the guard of a watchdog.
    fn line(&self) -> String {
        format!("h {} {}\n", self.group, tenths(self.grace))
    }

    fn release_line(&self) -> String {
        match &self.name {
            Some(name) => format!("r {0} {0}.{name}\n", self.group),
            None => format!("r {}\n", self.group),
        }
    }
}

impl Guard {
    async fn work(mut self, mut requests: mpsc::UnboundedReceiver<Request>) {
        let mut is_held = true;
        loop {
            let wake = [Some(self.next_beat), Some(self.next_look), self.next_ask].into_iter().flatten().min();
            tokio::select! {
                biased;
                line = self.watchdog.line() => match line {
                    Some(line) => {
                        self.unanswered = None;
                        if self.take_line(&line) {
                            return;
                        }
                    }
                    None => {
                        if !self.restart().await {
                            return;
                        }
                    }
                },
                request = requests.recv(), if is_held => match request {
                    Some(request) => self.serve(request),
                    None => is_held = false,
                },
                () = sleep_until(wake.unwrap_or(self.next_beat)) => {
                    if !self.tick() {
                        return;
                    }
                }
            }
        }
    }

    fn serve(&mut self, request: Request) {
        let group = self.guarded.group;
        match request {
            Request::Terminate => {
                self.terminated = true;
                self.watchdog.send(&format!("t {group}\n"));
            }
            Request::Kill => {
                self.watchdog.send(&format!("k {group}\n"));
                self.release();
            }
            Request::Release => self.release(),
        }
    }

    fn release(&mut self) {
        if self.next_ask.is_none() {
            self.ask();
        }
    }

    /// Asks whether the group is gone, and again if there is no answer.
    fn ask(&mut self) {
        self.next_ask = Some(Instant::now() + LOOK);
        let line = self.guarded.release_line();
        self.watchdog.send(&line);
    }

    /// Sends what is due. Returns false if the watchdog is not heard from any more.
    fn tick(&mut self) -> bool {
        let now = Instant::now();
        let patience = self.guarded.launcher.orphan_after();
        if self.unanswered.is_some_and(|since| now >= since + patience) {
            let program = self.guarded.launcher.program();
            let why = format!("the launcher `{program}` gave no sign of life for {}", Bound::After(patience));
            self.give_up(&why);
            return false;
        }
        if now >= self.next_beat {
            self.next_beat = now + Watchdog::beat_pause(&self.guarded.launcher);
            self.unanswered.get_or_insert(now);
            self.watchdog.send("b\n");
        }
        if now >= self.next_look {
            self.next_look = now + LOOK;
            if self.next_ask.is_none() {
                self.watchdog.send("c\n");
            }
        }
        if self.next_ask.is_some_and(|at| now >= at) {
            self.ask();
        }
        true
    }

    /// Takes a line of the watchdog. Returns true if the group is gone.
    fn take_line(&mut self, line: &str) -> bool {
        let Some((verb, group)) = line.split_once(' ') else { return false };
        if group.parse() != Ok(self.guarded.group) {
            return false;
        }
        match verb {
            "e" => self.has_ended(),
            "s" => self.next_ask = self.next_ask.map(|_| Instant::now() + ASK),
            "n" => {
                self.guarded.run_state.not_permitted();
                self.next_ask = self.next_ask.map(|_| Instant::now() + LOOK);
            }
            "g" => {
                self.guarded.run_state.gone();
                return true;
            }
            _ => {}
        }
        false
    }

    /// The process has ended, and the launcher has not: others of its group may hold its pipes, and are ended.
    fn has_ended(&mut self) {
        self.looks += 1;
        let group = self.guarded.group;
        match self.guarded.relay.status().map(exit_of_shell) {
            Some(_) if self.looks == 1 => {}
            Some(_) if self.looks == 2 => self.watchdog.send(&format!("t {group}\n")),
            Some(_) => self.watchdog.send(&format!("k {group}\n")),
            None if self.looks < UNREPORTED_LOOKS => {}
            None => self.guarded.run_state.left(Err("it ended, and the shell beside it did not report how".to_owned())),
        }
    }

    /// The watchdog ended before its process. Another one takes over; false if there is none.
    async fn restart(&mut self) -> bool {
        self.guarded.was_cut.store(true, Ordering::Relaxed);
        self.restarts += 1;
        let launcher = self.guarded.launcher.clone();
        let why = match timeout(RESTART_BOUND, Watchdog::open(&launcher)).await {
            Ok(Ok(next)) if self.restarts <= RESTARTS => {
                if is_same_namespace(next.namespace(), &self.guarded.namespace) {
                    self.take_over(next);
                    return true;
                }
                "its next call led to another place".to_owned()
            }
            Ok(Ok(_)) => format!("it was killed {} times", self.restarts),
            Ok(Err(error)) => mer_core::with_causes(&error),
            Err(_) => "no other one was started in time".to_owned(),
        };
        self.give_up(&format!("the watchdog behind the launcher `{}` ended: {why}", launcher.program()));
        false
    }

    /// Puts the group under the guard of a new watchdog, and removes the folder of the former one.
    fn take_over(&mut self, next: Watchdog) {
        let former = std::mem::replace(&mut self.watchdog, next);
        let line = self.guarded.line();
        self.watchdog.send(&line);
        if let Some((folder, _)) = &former.folder {
            self.watchdog.send(&format!("d {folder}\n"));
        }
        self.unanswered = None;
        if self.terminated {
            self.watchdog.send(&format!("t {}\n", self.guarded.group));
        }
        if self.next_ask.is_some() {
            self.ask();
        }
    }

    fn give_up(&self, why: &str) {
        self.guarded.run_state.lost(why);
        self.guarded.run_state.unverifiable();
    }
}
