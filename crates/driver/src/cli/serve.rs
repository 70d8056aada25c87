//! `mer serve`, `mer ps`, `mer load` and `mer stop`.

use clap::Args;
use mer_core::Bound;

use super::normalise;

/// Arguments of `mer serve`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServeArgs {
    /// Load this model before it says that it is ready; may be repeated
    #[arg(long, value_name = "MODEL", value_parser = normalise::string())]
    pub(crate) preload: Vec<String>,

    /// End when nothing has been kept for this time, such as 60s; without it, stay
    #[arg(long, value_name = "TIME")]
    pub(crate) idle_exit: Option<Bound>,

    /// Answer HTTP requests of other machines too; not available yet
    #[arg(long)]
    pub(crate) http: bool,

    /// Leave the session, the folder and the descriptors of the process that started this one
    #[arg(long, hide = true)]
    pub(crate) detached: bool,
}

/// Arguments of `mer load`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LoadArgs {
    /// The models; MODEL:3 or MODEL@alias for other weights than the current ones
    #[arg(value_name = "MODEL", required = true, value_parser = normalise::string())]
    pub(crate) models: Vec<String>,
}

/// Arguments of `mer stop`.
#[derive(Debug, Clone, Args)]
pub(crate) struct StopArgs {
    /// Names of models, ids of processes as `mer ps` lists them, or uids of detached runs
    #[arg(value_name = "MODEL|ID|RUN", required_unless_present = "all", value_parser = normalise::string())]
    pub(crate) names: Vec<String>,

    /// All kept processes; no detached run
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,

    /// End the requests that are being served, too
    #[arg(long)]
    pub(crate) now: bool,
}
