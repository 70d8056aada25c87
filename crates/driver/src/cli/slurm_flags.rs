//! Flags of `mer server add|set` for a cluster that is run by Slurm.

use clap::Args;

use super::change_values::Words;

/// What is asked of Slurm for each job. Each of these makes the server a cluster.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SlurmFlags {
    /// It is a cluster of Slurm: from this machine, or with HOST through its login node
    #[arg(long)]
    pub(crate) slurm: bool,

    /// The partition of its jobs
    #[arg(long, value_name = "NAME")]
    pub(crate) partition: Option<String>,

    /// The account that is charged for its jobs
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,

    /// The quality of service of its jobs
    #[arg(long, value_name = "NAME")]
    pub(crate) qos: Option<String>,

    /// Generic resources of a job, such as gpu:1
    #[arg(long, value_name = "GRES")]
    pub(crate) gres: Option<String>,

    /// The time limit of a job, such as 2h or 1-12:00:00
    #[arg(long, value_name = "TIME")]
    pub(crate) time: Option<String>,

    /// The number of processors of a job
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) cpus_per_task: Option<u32>,

    /// The memory of a job, such as 16G
    #[arg(long, value_name = "MEMORY")]
    pub(crate) mem: Option<String>,

    /// Further options of srun, split as a shell does
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    pub(crate) extra: Option<Words>,
}

impl SlurmFlags {
    /// Whether one of them is set.
    pub(crate) const fn asks_for_cluster(&self) -> bool {
        let texts = self.partition.is_some() || self.account.is_some() || self.qos.is_some() || self.gres.is_some();
        let limits = self.time.is_some() || self.cpus_per_task.is_some() || self.mem.is_some() || self.extra.is_some();
        self.slurm || texts || limits
    }
}
