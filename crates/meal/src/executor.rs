//! Executors: where processes are started.

use std::path::PathBuf;

use mer_core::RunSpec;

use crate::{LocalConfig, PingReport, Run, SshConfig, SshError, StartError, local::LocalExecutor, ssh::SshExecutor};

/// A place where processes are started. Cheap to clone; the clones share one watcher.
#[derive(Debug, Clone)]
pub struct Executor(ExecutorKind);

/// A closed set: an enum rather than `dyn`.
#[derive(Debug, Clone)]
enum ExecutorKind {
    Local(LocalExecutor),
    Ssh(SshExecutor),
}

impl Executor {
    /// The executor of this machine. Touches nothing until the first start.
    #[must_use]
    pub fn local(config: LocalConfig) -> Self {
        Self(ExecutorKind::Local(LocalExecutor::new(config)))
    }

    /// The executor of a server that is reached by SSH. Touches nothing until the first use.
    #[must_use]
    pub fn ssh(config: SshConfig) -> Self {
        Self(ExecutorKind::Ssh(SshExecutor::new(config)))
    }

    /// Makes the connection, where there is none and one is needed. Starting does it too; this is for those who want to
    /// know how long it takes.
    ///
    /// # Errors
    /// There is none to be had.
    pub async fn connect(&self) -> Result<(), SshError> {
        match &self.0 {
            ExecutorKind::Local(_) => Ok(()),
            ExecutorKind::Ssh(ssh) => ssh.connect().await,
        }
    }

    /// Makes a new connection step by step, and runs a command that does nothing. On this machine there is no step.
    pub async fn ping(&self) -> Option<PingReport> {
        match &self.0 {
            ExecutorKind::Local(_) => None,
            ExecutorKind::Ssh(ssh) => Some(ssh.ping().await),
        }
    }

    /// What the SSH configuration asks for and will not be done: to be said once.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        match &self.0 {
            ExecutorKind::Local(_) => Vec::new(),
            ExecutorKind::Ssh(ssh) => ssh.warnings(),
        }
    }

    /// Starts a process in a process group of its own. Must be called within a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// The command does not exist there, is no program, or could not be started.
    pub async fn start(&self, spec: &RunSpec) -> Result<Run, StartError> {
        match &self.0 {
            ExecutorKind::Local(local) => local.start(spec),
            ExecutorKind::Ssh(ssh) => ssh.start(spec).await,
        }
    }

    /// The file that [`Executor::start`] would execute, without starting it.
    ///
    /// # Errors
    /// As [`Executor::start`], as far as it can be known.
    pub async fn resolve(&self, spec: &RunSpec) -> Result<PathBuf, StartError> {
        match &self.0 {
            ExecutorKind::Local(local) => local.resolve(spec),
            ExecutorKind::Ssh(ssh) => ssh.resolve(spec).await,
        }
    }
}
