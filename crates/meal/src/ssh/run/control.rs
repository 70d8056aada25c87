//! Controls a remote process group.

use std::sync::Arc;

use mer_core::Exit;

use crate::{
    local::Holding,
    ssh::session::{Request, RunState, SessionHandle},
};

/// Controls a remote process and its group, by the watchdog that guards it.
///
/// The exit is known when the channel is closed; after a signal, only once the watchdog has seen that the group is
/// gone. A cancelled run with an exit left nothing behind; one without could not be verified.
#[derive(Debug)]
pub(crate) struct RemoteControl {
    group: i32,
    watch: SessionHandle,
    run_state: Arc<RunState>,
    exit: Option<Exit>,
    /// What it holds until its group is gone.
    holding: Option<Holding>,
}

impl RemoteControl {
    pub(super) fn new(group: i32, watch: SessionHandle, run_state: Arc<RunState>) -> Self {
        Self { group, watch, run_state, exit: None, holding: None }
    }

    /// Holds this until its group is gone.
    pub(crate) fn hold(&mut self, holding: Option<Holding>) {
        self.holding = holding;
    }

    pub(crate) fn pid(&self) -> u32 {
        self.group.unsigned_abs()
    }

    pub(crate) async fn ended(&self) {
        // The sender lives in the run state, so that the wait cannot fail.
        let _ = self.run_state.watch_exit().wait_for(Option::is_some).await;
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.run_state.exit().is_some()
    }

    pub(crate) const fn exit(&self) -> Option<Exit> {
        self.exit
    }

    pub(crate) fn why_lost(&self) -> Option<String> {
        self.run_state.why_lost()
    }

    pub(crate) fn terminate(&self) {
        if self.exit.is_none() {
            self.run_state.signalled();
            self.watch.send(Request::Terminate(self.group));
        }
    }

    pub(crate) fn kill(&self) {
        if self.exit.is_none() {
            self.run_state.signalled();
            self.watch.send(Request::Kill(self.group));
        }
    }

    /// If the process has ended: kills what is left of its group, and returns how it ended.
    pub(crate) fn finish(&mut self) -> Option<Exit> {
        if self.exit.is_none() {
            self.exit = self.run_state.exit();
            if self.exit.is_some() {
                self.release();
            }
        }
        self.exit
    }

    fn release(&self) {
        if !self.run_state.is_gone() {
            self.watch.send(Request::Release(self.group));
        }
    }
}

impl Drop for RemoteControl {
    fn drop(&mut self) {
        if self.exit.is_none() && self.finish().is_none() {
            self.kill();
            self.release();
        }
        self.run_state.hold_until_gone(self.holding.take(), self.exit);
    }
}
