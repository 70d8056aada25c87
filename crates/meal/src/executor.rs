//! Executors: where processes are started.

use std::{path::PathBuf, sync::Arc};

use mer_core::RunSpec;

use crate::{
    ClusterPing, Held, JobRequest, LauncherConfig, LauncherPing, LocalConfig, PingReport, Run, SlurmConfig, SlurmError,
    SshConfig, SshError, StartError,
    launcher::LauncherExecutor,
    local::{Holder, LocalExecutor},
    machine::MachineExecutor,
    slurm::SlurmExecutor,
    ssh::SshExecutor,
};

/// Starts processes on one machine or cluster. Cheap to clone; the clones share one watcher.
#[derive(Debug, Clone)]
pub struct Executor {
    /// This machine, a server, or where the commands of a cluster are called.
    machine: MachineExecutor,
    slurm: Option<SlurmExecutor>,
    /// What starts its processes elsewhere.
    launcher: Option<LauncherExecutor>,
    /// What its processes hold.
    holder: Option<Holder>,
    /// The job that its processes are to have on a cluster.
    job: Option<JobRequest>,
}

impl Executor {
    /// Creates the executor of this machine. Does nothing before the first start.
    #[must_use]
    pub fn local(config: LocalConfig) -> Self {
        Self::of(MachineExecutor::Local(LocalExecutor::new(config)))
    }

    /// Creates the executor of an SSH server. Does nothing before the first use.
    #[must_use]
    pub fn ssh(config: SshConfig) -> Self {
        Self::of(MachineExecutor::Ssh(SshExecutor::new(config)))
    }

    const fn of(machine: MachineExecutor) -> Self {
        Self { machine, slurm: None, launcher: None, holder: None, job: None }
    }

    /// Creates the executor of a cluster. `beside` is the executor of the machine where Slurm's commands are called.
    #[must_use]
    pub fn slurm(beside: &Self, config: SlurmConfig) -> Self {
        let machine = beside.machine.clone();
        Self { slurm: Some(SlurmExecutor::new(machine.clone(), config)), ..Self::of(machine) }
    }

    /// Returns an executor that starts every process by a launcher, which is called on this machine or server, and whose processes
    /// are elsewhere.
    #[must_use]
    pub fn behind(&self, config: LauncherConfig) -> Self {
        Self { launcher: Some(LauncherExecutor::new(self.machine.clone(), config)), ..self.clone() }
    }

    /// Returns an executor of the same machine whose processes hold this until their groups are gone. `here` is the executor of
    /// this machine, whose watcher holds it, too.
    #[must_use]
    pub fn holding(&self, held: Arc<dyn Held>, here: &Self) -> Self {
        Self { holder: Some(here.machine.holder(held)), ..self.clone() }
    }

    /// Returns an executor whose processes have a job like this, if it is one of a cluster. Without it, processes are started
    /// where the commands of the cluster are called.
    #[must_use]
    pub fn as_job(&self, job: JobRequest) -> Self {
        Self { job: Some(job), ..self.clone() }
    }

    /// Connects, if a connection is needed and there is none. [`Executor::start`] does so too; call this to measure
    /// the time.
    ///
    /// # Errors
    /// The connection could not be made.
    pub async fn connect(&self) -> Result<(), SshError> {
        self.machine.connect().await
    }

    /// Lends the socket of an agent, which new connections use in place of the usual one (`SSH_AUTH_SOCK`); with none they
    /// use the usual one. Does nothing on this machine, and where the SSH configuration names another agent.
    pub fn lend_agent(&self, agent: Option<PathBuf>) {
        self.machine.lend_agent(agent);
    }

    /// Makes a new connection step by step, and runs a command that does nothing. `None` on this machine, which needs
    /// no connection.
    pub async fn ping(&self) -> Option<PingReport> {
        self.machine.ping().await
    }

    /// Asks a cluster for the partition that its jobs go to. `None` where there is no cluster.
    pub async fn ping_cluster(&self) -> Option<ClusterPing> {
        match &self.slurm {
            Some(slurm) => Some(slurm.ping().await),
            None => None,
        }
    }

    /// Starts a process that does nothing behind a launcher whose processes are elsewhere. `None` where there is no such launcher.
    pub async fn ping_launcher(&self) -> Option<LauncherPing> {
        match &self.launcher {
            Some(launcher) => Some(Box::pin(launcher.ping()).await),
            None => None,
        }
    }

    /// Returns the words that hand a detached run to the queue of a cluster. `None` where there is no cluster.
    #[must_use]
    pub fn submission(&self) -> Option<Vec<String>> {
        self.slurm.as_ref().map(SlurmExecutor::submission)
    }

    /// Returns why a cluster took no job, by what the command wrote to stderr. `None` where there is no cluster.
    pub async fn job_refusal(&self, stderr: &str) -> Option<SlurmError> {
        match &self.slurm {
            Some(slurm) => Some(slurm.refusal(stderr).await),
            None => None,
        }
    }

    /// What the SSH configuration requests and MER does not do. To be shown once.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.machine.warnings()
    }

    /// Starts a process in a new process group. Must be called within a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// The command does not exist there, is no program, or could not be started.
    pub async fn start(&self, spec: &RunSpec) -> Result<Run, StartError> {
        if let Some(launcher) = &self.launcher {
            return Box::pin(launcher.start(spec, self.holder.as_ref())).await;
        }
        match (&self.slurm, &self.job) {
            // On the heap, because it is rare and large.
            (Some(slurm), Some(job)) => Box::pin(slurm.start(spec, job, self.holder.as_ref())).await,
            (Some(slurm), None) => Box::pin(slurm.start_beside(spec, self.holder.as_ref())).await,
            (None, _) => self.machine.start(spec, self.holder.as_ref()).await,
        }
    }

    /// Returns the file that [`Executor::start`] would execute, without starting it. On a cluster, the name of the command as
    /// it is registered.
    ///
    /// # Errors
    /// As [`Executor::start`], as far as they can be known in advance.
    pub async fn resolve(&self, spec: &RunSpec) -> Result<PathBuf, StartError> {
        match (&self.launcher, &self.slurm) {
            (Some(launcher), _) => launcher.resolve(spec).await,
            (None, Some(slurm)) => slurm.resolve(spec),
            (None, None) => self.machine.resolve(spec).await,
        }
    }
}
