//! Controls a process that a launcher started elsewhere.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mer_core::Exit;
use tokio::{sync::mpsc, time::timeout};

use super::guard_request::Request;
use crate::{
    exit_marker::exit_of_shell, local::Holding, machine_control::MachineControl, ssh::RunState,
    stderr_relay::StderrRelay,
};

/// How long the rest of stderr is waited for after the launcher has ended.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);

/// Controls a process and its group by the watchdog that guards it. The end of the launcher says nothing by itself: the exit is
/// what the shell beside the process has reported, and after a signal the group must be seen to be gone.
#[derive(Debug)]
pub(crate) struct LauncherControl {
    /// The program of the launcher.
    pub(super) launcher: String,
    /// Controls the call of the launcher.
    pub(super) front: MachineControl,
    pub(super) group: i32,
    pub(super) relay: Arc<StderrRelay>,
    pub(super) run_state: Arc<RunState>,
    pub(super) requests: mpsc::UnboundedSender<Request>,
    pub(super) was_cut: Arc<AtomicBool>,
    /// Whether MER has sent a signal.
    pub(super) signalled: AtomicBool,
    pub(super) exit: Option<Exit>,
    /// What it holds until its group is gone.
    pub(super) holding: Option<Holding>,
}

/// Signals of a watchdog that ends its group.
const WATCHDOG_SIGNALS: [Exit; 2] = [Exit::Signal(15), Exit::Signal(9)];

impl LauncherControl {
    /// The process ID over there.
    pub(crate) fn pid(&self) -> u32 {
        self.group.unsigned_abs()
    }

    pub(crate) async fn ended(&self) {
        let known = async {
            // The sender lives in the run state, so that the wait cannot fail.
            let _ = self.run_state.watch_exit().wait_for(Option::is_some).await;
        };
        tokio::pin!(known);
        tokio::select! {
            biased;
            () = &mut known => return,
            () = self.front_over() => self.conclude(),
        }
        known.await;
    }

    async fn front_over(&self) {
        self.front.ended().await;
        let _ = timeout(LAST_WORDS, self.relay.ended()).await;
    }

    /// The launcher has ended: the exit is the one that was reported, and without a report it is not known.
    fn conclude(&self) {
        let exit = self.relay.status().map(exit_of_shell);
        let is_ours = self.signalled.load(Ordering::Relaxed);
        match exit {
            Some(exit) if !is_ours && self.was_cut.load(Ordering::Relaxed) && WATCHDOG_SIGNALS.contains(&exit) => {
                let why = format!("the watchdog behind the launcher `{}` was cut off, and ended it", self.launcher);
                self.run_state.lost(&why);
            }
            Some(exit) => self.run_state.closed(exit),
            None => {
                let why = self.front.why_lost().unwrap_or_else(|| {
                    format!("the launcher `{}` ended before the end of its process was reported", self.launcher)
                });
                self.run_state.lost(&why);
            }
        }
        let _ = self.requests.send(Request::Release);
    }

    pub(crate) fn has_ended(&self) -> bool {
        if self.run_state.exit().is_none() && self.front.has_ended() && self.relay.has_ended() {
            self.conclude();
        }
        self.run_state.exit().is_some()
    }

    pub(crate) const fn exit(&self) -> Option<Exit> {
        self.exit
    }

    pub(crate) fn why_lost(&self) -> Option<String> {
        self.run_state.why_lost()
    }

    pub(crate) fn terminate(&self) {
        self.signal(Request::Terminate);
    }

    pub(crate) fn kill(&self) {
        self.signal(Request::Kill);
    }

    fn signal(&self, request: Request) {
        if self.exit.is_none() {
            self.signalled.store(true, Ordering::Relaxed);
            self.run_state.signalled();
            let _ = self.requests.send(request);
        }
    }

    pub(crate) async fn end_strays(&self) {
        if self.front.has_ended() {
            self.front.end_strays().await;
        }
    }

    pub(crate) fn terminate_strays(&self) {
        if self.front.has_ended() {
            self.front.terminate_strays();
        }
    }

    pub(crate) fn finish(&mut self) -> Option<Exit> {
        if self.exit.is_none() && self.has_ended() {
            self.exit = self.run_state.exit();
            let _ = self.requests.send(Request::Release);
            let _ = self.front.finish();
        }
        self.exit
    }
}

impl Drop for LauncherControl {
    fn drop(&mut self) {
        if self.exit.is_none() && self.finish().is_none() {
            self.kill();
        }
        self.run_state.hold_until_gone(self.holding.take(), self.exit);
    }
}
