//! The executor of one machine: this one, or one that is reached over SSH.

use std::{path::PathBuf, sync::Arc};

use mer_core::RunSpec;

use crate::{
    Held, PingReport, Run, SshError, StartError,
    local::{Holder, LocalExecutor},
    ssh::SshExecutor,
};

/// Starts processes on one machine. An enum rather than `dyn`, because the set is closed.
#[derive(Debug, Clone)]
pub(crate) enum MachineExecutor {
    Local(LocalExecutor),
    Ssh(SshExecutor),
}

impl MachineExecutor {
    /// Returns what holds this for processes of this and of other machines, if this is the executor of this machine.
    pub(crate) fn holder(&self, held: Arc<dyn Held>) -> Holder {
        match self {
            Self::Local(local) => local.holder(held),
            Self::Ssh(_) => Holder { held, watcher: None },
        }
    }

    pub(crate) async fn connect(&self) -> Result<(), SshError> {
        match self {
            Self::Local(_) => Ok(()),
            Self::Ssh(ssh) => ssh.connect().await,
        }
    }

    pub(crate) fn lend_agent(&self, agent: Option<PathBuf>) {
        match self {
            Self::Local(_) => {}
            Self::Ssh(ssh) => ssh.lend_agent(agent),
        }
    }

    pub(crate) async fn ping(&self) -> Option<PingReport> {
        match self {
            Self::Local(_) => None,
            Self::Ssh(ssh) => Some(ssh.ping().await),
        }
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        match self {
            Self::Local(_) => Vec::new(),
            Self::Ssh(ssh) => ssh.warnings(),
        }
    }

    pub(crate) async fn start(&self, spec: &RunSpec, holder: Option<&Holder>) -> Result<Run, StartError> {
        match self {
            Self::Local(local) => local.start(spec, holder),
            Self::Ssh(ssh) => ssh.start(spec, holder).await,
        }
    }

    pub(crate) async fn resolve(&self, spec: &RunSpec) -> Result<PathBuf, StartError> {
        match self {
            Self::Local(local) => local.resolve(spec),
            Self::Ssh(ssh) => ssh.resolve(spec).await,
        }
    }
}
