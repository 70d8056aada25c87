//! The hold on a process and its group, wherever they are.

use mer_core::Exit;

use crate::{local::LocalControl, ssh::RemoteControl};

/// The hold on a process and its group. Signals go to the whole group. Dropping it kills the group.
///
/// Over SSH, an exit after a signal is told only when the group was seen to be gone: a run that was cancelled and has an
/// exit left nothing behind, one that has none (or `Lost`) could not be verified.
#[derive(Debug)]
pub struct Control(ControlKind);

#[derive(Debug)]
enum ControlKind {
    Local(LocalControl),
    Remote(RemoteControl),
}

macro_rules! each {
    ($self:ident, $control:ident => $what:expr) => {
        match &$self.0 {
            ControlKind::Local($control) => $what,
            ControlKind::Remote($control) => $what,
        }
    };
}

impl Control {
    pub(crate) const fn local(control: LocalControl) -> Self {
        Self(ControlKind::Local(control))
    }

    pub(crate) const fn remote(control: RemoteControl) -> Self {
        Self(ControlKind::Remote(control))
    }

    /// The process's number where it runs; that of its group is the same.
    #[must_use]
    pub fn pid(&self) -> u32 {
        each!(self, control => control.pid())
    }

    /// Waits until the process has ended. It is not reaped by this, nor is its group ended. Safe to cancel.
    pub async fn ended(&self) {
        each!(self, control => control.ended().await);
    }

    /// Whether the process has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        each!(self, control => control.has_ended())
    }

    /// How it ended, once [`Control::finish`] or [`Control::wait`] has been called.
    #[must_use]
    pub const fn exit(&self) -> Option<Exit> {
        each!(self, control => control.exit())
    }

    /// Why the exit is [`Exit::Lost`], where it is.
    #[must_use]
    pub fn why_lost(&self) -> Option<String> {
        match &self.0 {
            ControlKind::Local(_) => None,
            ControlKind::Remote(control) => control.why_lost(),
        }
    }

    /// Waits for the end, ends what is left of the group and what left it, and reaps.
    pub async fn wait(&mut self) -> Exit {
        self.ended().await;
        self.end_strays().await;
        self.finish().unwrap_or(Exit::Lost)
    }

    /// TERM to the whole group.
    pub fn terminate(&self) {
        each!(self, control => control.terminate());
    }

    /// KILL to the whole group.
    pub fn kill(&self) {
        each!(self, control => control.kill());
    }

    /// If the process has ended: ends its children that left its group, on this machine, unless its model lets them go on.
    pub async fn end_strays(&self) {
        if let ControlKind::Local(control) = &self.0 {
            control.end_strays().await;
        }
    }

    /// If the process has ended: TERM to those children.
    pub(crate) fn terminate_strays(&self) {
        if let ControlKind::Local(control) = &self.0 {
            control.terminate_strays();
        }
    }

    /// If the process has ended: kills what is left of its group, reaps it, and says how it ended.
    pub fn finish(&mut self) -> Option<Exit> {
        match &mut self.0 {
            ControlKind::Local(control) => control.finish(),
            ControlKind::Remote(control) => control.finish(),
        }
    }
}
