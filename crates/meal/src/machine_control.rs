//! Controls a process and its group on one machine.

use mer_core::Exit;

use crate::{
    local::{Holding, LocalControl},
    ssh::RemoteControl,
};

/// Controls a process and its group, local or remote.
#[derive(Debug)]
pub(crate) enum MachineControl {
    Local(LocalControl),
    Remote(RemoteControl),
}

macro_rules! each {
    ($self:ident, $control:ident => $what:expr) => {
        match $self {
            Self::Local($control) => $what,
            Self::Remote($control) => $what,
        }
    };
}

impl MachineControl {
    /// Lets a remote process hold this until its group is gone. A local one was given it at its start.
    pub(crate) fn hold(&mut self, holding: Option<Holding>) {
        if let Self::Remote(control) = self {
            control.hold(holding);
        }
    }

    /// The process ID on its machine; the process group has the same number.
    pub(crate) fn pid(&self) -> u32 {
        each!(self, control => control.pid())
    }

    /// Waits until the process has ended. Neither reaps it nor ends its group. Safe to cancel.
    pub(crate) async fn ended(&self) {
        each!(self, control => control.ended().await);
    }

    /// Whether the process has ended.
    pub(crate) fn has_ended(&self) -> bool {
        each!(self, control => control.has_ended())
    }

    /// How it ended. `None` before [`MachineControl::finish`] has returned it.
    pub(crate) const fn exit(&self) -> Option<Exit> {
        each!(self, control => control.exit())
    }

    /// Why the exit is [`Exit::Lost`], if it is.
    pub(crate) fn why_lost(&self) -> Option<String> {
        match self {
            Self::Local(_) => None,
            Self::Remote(control) => control.why_lost(),
        }
    }

    /// Sends TERM to the whole group.
    pub(crate) fn terminate(&self) {
        each!(self, control => control.terminate());
    }

    /// Sends KILL to the whole group.
    pub(crate) fn kill(&self) {
        each!(self, control => control.kill());
    }

    /// Ends the children of a local process that has ended which left its group, unless its model lets them go on.
    pub(crate) async fn end_strays(&self) {
        if let Self::Local(control) = self {
            control.end_strays().await;
        }
    }

    /// Sends TERM to those children, if the process has ended.
    pub(crate) fn terminate_strays(&self) {
        if let Self::Local(control) = self {
            control.terminate_strays();
        }
    }

    /// If the process has ended: kills what is left of its group, reaps it, and returns how it ended. The watcher or
    /// the watchdog is told that the group is gone.
    pub(crate) fn finish(&mut self) -> Option<Exit> {
        match self {
            Self::Local(control) => control.finish(),
            Self::Remote(control) => control.finish(),
        }
    }
}
