//! Controls a process and its group: local, remote, behind a launcher, or a job.

use mer_core::Exit;

use crate::{
    JobEnd,
    launcher::LauncherControl,
    local::{Holding, LocalControl},
    machine_control::MachineControl,
    slurm::SlurmControl,
    ssh::RemoteControl,
};

/// Controls a process and its group. Signals go to the whole group. Dropping it kills the group.
///
/// Over SSH, the exit of a process that was signalled is known only once its group was seen to be gone. A cancelled
/// run with an exit left nothing behind; one without an exit, or with `Lost`, could not be verified.
#[derive(Debug)]
pub struct Control(ControlKind);

#[derive(Debug)]
enum ControlKind {
    Machine(MachineControl),
    // On the heap, because they are large.
    Slurm(Box<SlurmControl>),
    Launcher(Box<LauncherControl>),
}

macro_rules! each {
    ($self:ident, $control:ident => $what:expr) => {
        match &$self.0 {
            ControlKind::Machine($control) => $what,
            ControlKind::Slurm($control) => $what,
            ControlKind::Launcher($control) => $what,
        }
    };
}

impl Control {
    pub(crate) const fn local(control: LocalControl) -> Self {
        Self(ControlKind::Machine(MachineControl::Local(control)))
    }

    /// Lets a remote process hold this until its group is gone. A local one was given it at its start.
    pub(crate) fn hold(&mut self, holding: Option<Holding>) {
        if let ControlKind::Machine(control) = &mut self.0 {
            control.hold(holding);
        }
    }

    pub(crate) fn slurm(control: SlurmControl) -> Self {
        Self(ControlKind::Slurm(Box::new(control)))
    }

    pub(crate) fn launcher(control: LauncherControl) -> Self {
        Self(ControlKind::Launcher(Box::new(control)))
    }

    /// Returns the control of the process on its machine, if it is neither a job nor behind a launcher.
    pub(crate) fn into_machine(self) -> Option<MachineControl> {
        match self.0 {
            ControlKind::Machine(control) => Some(control),
            ControlKind::Slurm(_) | ControlKind::Launcher(_) => None,
        }
    }

    /// Why a job ended before its process did.
    #[must_use]
    pub fn job_end(&self) -> Option<JobEnd> {
        match &self.0 {
            ControlKind::Machine(_) | ControlKind::Launcher(_) => None,
            ControlKind::Slurm(control) => control.job_end(),
        }
    }

    pub(crate) const fn remote(control: RemoteControl) -> Self {
        Self(ControlKind::Machine(MachineControl::Remote(control)))
    }

    /// The process ID on its machine; the process group has the same number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        each!(self, control => control.pid())
    }

    /// Waits until the process has ended. Neither reaps it nor ends its group. Safe to cancel.
    pub async fn ended(&self) {
        each!(self, control => control.ended().await);
    }

    /// Whether the process has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        each!(self, control => control.has_ended())
    }

    /// How it ended. `None` before [`Control::finish`] or [`Control::wait`] has returned it.
    #[must_use]
    pub const fn exit(&self) -> Option<Exit> {
        each!(self, control => control.exit())
    }

    /// Why the exit is [`Exit::Lost`], if it is.
    #[must_use]
    pub fn why_lost(&self) -> Option<String> {
        each!(self, control => control.why_lost())
    }

    /// Waits for the end of the process, ends its strays and what is left of its group, and reaps it.
    pub async fn wait(&mut self) -> Exit {
        self.ended().await;
        self.end_strays().await;
        self.finish().unwrap_or(Exit::Lost)
    }

    /// Sends TERM to the whole group.
    pub fn terminate(&self) {
        each!(self, control => control.terminate());
    }

    /// Sends KILL to the whole group.
    pub fn kill(&self) {
        each!(self, control => control.kill());
    }

    /// Ends the children of a local process that has ended which left its group, unless its model lets them go on.
    pub async fn end_strays(&self) {
        each!(self, control => control.end_strays().await);
    }

    /// Sends TERM to those children, if the process has ended.
    pub(crate) fn terminate_strays(&self) {
        each!(self, control => control.terminate_strays());
    }

    /// If the process has ended: kills what is left of its group, reaps it, and returns how it ended. The watcher or
    /// the watchdog is told that the group is gone.
    pub fn finish(&mut self) -> Option<Exit> {
        match &mut self.0 {
            ControlKind::Machine(control) => control.finish(),
            ControlKind::Slurm(control) => control.finish(),
            ControlKind::Launcher(control) => control.finish(),
        }
    }
}
