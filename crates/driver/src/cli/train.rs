//! `mer train`.

use clap::Args;

use super::{OnEndArgs, RequestArgs};

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
    #[arg(long, conflicts_with = "on_end")]
    pub(crate) detach: bool,

    #[command(flatten)]
    pub(crate) end: OnEndArgs,
}
