//! `mer train`.

use clap::Args;

use super::RequestArgs;

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
}
