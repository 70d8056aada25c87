//! `mer train`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{HookArgs, RequestArgs};

/// Arguments of `mer train`.
#[derive(Debug, Clone, Args)]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    pub(crate) request: RequestArgs,

    /// Make the new version the current one
    #[arg(long)]
    pub(crate) promote: bool,

    /// A note to store with the version
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,

    /// Print the training's uid and end; the training goes on by itself, and --timeout bounds it
    #[arg(long, conflicts_with_all = ["on_end", "on_failure"])]
    pub(crate) detach: bool,

    /// With --detach: number of further attempts where Slurm puts the job back into its queue
    #[arg(long, value_name = "COUNT", requires = "detach", default_value_t = 0, hide_default_value = true)]
    pub(crate) retries: u32,

    /// Bring the files that the model writes to MER_RUN_DIR into this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "detach")]
    pub(crate) artefacts: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) hooks: HookArgs,
}
