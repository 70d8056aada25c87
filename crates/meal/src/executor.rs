//! Executors: where processes are started.

use std::{path::PathBuf, sync::Arc};

use mer_core::RunSpec;

use crate::{
    Held, LocalConfig, PingReport, Run, SshConfig, SshError, StartError,
    local::{Holder, LocalExecutor},
    ssh::SshExecutor,
};

/// Starts processes on one machine. Cheap to clone; the clones share one watcher.
#[derive(Debug, Clone)]
pub struct Executor {
    kind: ExecutorKind,
    /// What its processes hold.
    holder: Option<Holder>,
}

/// An enum rather than `dyn`, because the set is closed.
#[derive(Debug, Clone)]
enum ExecutorKind {
    Local(LocalExecutor),
    Ssh(SshExecutor),
}

impl Executor {
    /// Creates the executor of this machine. Does nothing before the first start.
    #[must_use]
    pub fn local(config: LocalConfig) -> Self {
        Self { kind: ExecutorKind::Local(LocalExecutor::new(config)), holder: None }
    }

    /// Creates the executor of an SSH server. Does nothing before the first use.
    #[must_use]
    pub fn ssh(config: SshConfig) -> Self {
        Self { kind: ExecutorKind::Ssh(SshExecutor::new(config)), holder: None }
    }

    /// Returns an executor of the same machine whose processes hold this until their groups are gone. `here` is the executor of
    /// this machine, whose watcher holds it, too.
    #[must_use]
    pub fn holding(&self, held: Arc<dyn Held>, here: &Self) -> Self {
        let holder = match &here.kind {
            ExecutorKind::Local(local) => local.holder(held),
            ExecutorKind::Ssh(_) => Holder { held, watcher: None },
        };
        Self { kind: self.kind.clone(), holder: Some(holder) }
    }

    /// Connects, if a connection is needed and there is none. [`Executor::start`] does so too; call this to measure
    /// the time.
    ///
    /// # Errors
    /// The connection could not be made.
    pub async fn connect(&self) -> Result<(), SshError> {
        match &self.kind {
            ExecutorKind::Local(_) => Ok(()),
            ExecutorKind::Ssh(ssh) => ssh.connect().await,
        }
    }

    /// Lends the socket of an agent, which new connections use in place of the usual one (`SSH_AUTH_SOCK`); with none they
    /// use the usual one. Does nothing on this machine, and where the SSH configuration names another agent.
    pub fn lend_agent(&self, agent: Option<PathBuf>) {
        match &self.kind {
            ExecutorKind::Local(_) => {}
            ExecutorKind::Ssh(ssh) => ssh.lend_agent(agent),
        }
    }

    /// Makes a new connection step by step, and runs a command that does nothing. `None` on this machine, which needs
    /// no connection.
    pub async fn ping(&self) -> Option<PingReport> {
        match &self.kind {
            ExecutorKind::Local(_) => None,
            ExecutorKind::Ssh(ssh) => Some(ssh.ping().await),
        }
    }

    /// What the SSH configuration requests and MER does not do. To be shown once.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        match &self.kind {
            ExecutorKind::Local(_) => Vec::new(),
            ExecutorKind::Ssh(ssh) => ssh.warnings(),
        }
    }

    /// Starts a process in a new process group. Must be called within a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// The command does not exist there, is no program, or could not be started.
    pub async fn start(&self, spec: &RunSpec) -> Result<Run, StartError> {
        match &self.kind {
            ExecutorKind::Local(local) => local.start(spec, self.holder.as_ref()),
            ExecutorKind::Ssh(ssh) => ssh.start(spec, self.holder.as_ref()).await,
        }
    }

    /// Returns the file that [`Executor::start`] would execute, without starting it.
    ///
    /// # Errors
    /// As [`Executor::start`], as far as they can be known in advance.
    pub async fn resolve(&self, spec: &RunSpec) -> Result<PathBuf, StartError> {
        match &self.kind {
            ExecutorKind::Local(local) => local.resolve(spec),
            ExecutorKind::Ssh(ssh) => ssh.resolve(spec).await,
        }
    }
}
