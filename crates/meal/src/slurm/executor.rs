//! The executor of one cluster.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::PathBuf,
    sync::Arc,
};

use mer_core::{RunSpec, SlurmParams};

use crate::{Run, StartError, local::Holder, machine::MachineExecutor};

/// A cluster, and where its commands are called.
#[derive(Debug, Clone)]
pub struct SlurmConfig {
    /// Name of the server.
    pub server: String,
    /// What is asked of Slurm for each job.
    pub params: SlurmParams,
    /// Environment of Slurm's commands where they are called on this machine.
    pub environment: BTreeMap<OsString, OsString>,
}

/// Clones share the executor of the machine where Slurm's commands are called.
#[derive(Debug, Clone)]
pub(crate) struct SlurmExecutor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: SlurmConfig,
    /// The executor of this machine or of a login node.
    beside: MachineExecutor,
}

impl SlurmExecutor {
    pub(crate) fn new(beside: MachineExecutor, mut config: SlurmConfig) -> Self {
        leave_job(&mut config.environment);
        Self(Arc::new(Inner { config, beside }))
    }

    pub(super) fn config(&self) -> &SlurmConfig {
        &self.0.config
    }

    /// Starts a process where Slurm's commands are called, and not as a job.
    pub(crate) async fn start_beside(&self, spec: &RunSpec, holder: Option<&Holder>) -> Result<Run, StartError> {
        let mut spec = spec.clone();
        for (name, value) in &self.0.config.environment {
            spec.env.entry(name.clone()).or_insert_with(|| value.clone());
        }
        self.0.beside.start(&spec, holder).await
    }

    /// Returns the command as it is registered: it is looked for where the job runs.
    pub(crate) fn resolve(&self, spec: &RunSpec) -> Result<PathBuf, StartError> {
        spec.argv.first().filter(|program| !program.is_empty()).map(PathBuf::from).ok_or(StartError::NoCommand)
    }
}

/// Removes the variables of a job that this process is in: `srun` would make a step of that job.
pub(super) fn leave_job(env: &mut BTreeMap<OsString, OsString>) {
    if ["SLURM_JOB_ID", "SLURM_JOBID"].iter().any(|name| env.contains_key(OsStr::new(name))) {
        env.retain(|name, _| name == "SLURM_CONF" || !name.as_encoded_bytes().starts_with(b"SLURM_"));
    }
}
