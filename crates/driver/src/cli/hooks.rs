//! Commands that are run when a run is over.

use clap::Args;

use super::Words;

/// Commands that are run when a run is over.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct HookArgs {
    /// Run this command when the run is over, with the run's JSON as its input
    #[arg(long, value_name = "COMMAND")]
    pub(crate) on_end: Option<Words>,

    /// Run this command when the run is over and has not succeeded, with the run's JSON as its input
    #[arg(long, value_name = "COMMAND")]
    pub(crate) on_failure: Option<Words>,
}
