//! The hold on a process group over there.

use std::sync::Arc;

use mer_core::Exit;

use crate::ssh::session::{Request, RunState, SessionHandle};

/// The hold on a process and its group, by way of the watchdog that guards it.
///
/// An exit is told when the channel is closed. After a signal it is told only once the watchdog has seen that the group
/// is gone: a run that was cancelled and has an exit has left nothing behind, and one without could not be verified.
#[derive(Debug)]
pub(crate) struct RemoteControl {
    group: i32,
    watch: SessionHandle,
    run_state: Arc<RunState>,
    exit: Option<Exit>,
}

impl RemoteControl {
    pub(super) fn new(group: i32, watch: SessionHandle, run_state: Arc<RunState>) -> Self {
        Self { group, watch, run_state, exit: None }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.group.unsigned_abs()
    }

    pub(crate) async fn ended(&self) {
        // The sender lives in the report, so the wait cannot end by its being dropped.
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

    /// If the process has ended: kills what is left of its group, and says how it ended.
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
    }
}
