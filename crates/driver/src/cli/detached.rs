//! `mer attach`, `mer wait` and `mer fetch`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use mer_core::Bound;

use super::{HookArgs, normalise};

/// Arguments of `mer attach`.
#[derive(Debug, Clone, Args)]
pub(crate) struct AttachArgs {
    /// The run's uid, or the beginning of it
    #[arg(value_name = "UID", value_parser = normalise::string())]
    pub(crate) uid: String,

    /// Begin with this number of last lines of what is there already
    #[arg(long, value_name = "LINES")]
    pub(crate) tail: Option<u64>,

    #[command(flatten)]
    pub(crate) hooks: HookArgs,
}

/// Arguments of `mer wait`.
#[derive(Debug, Clone, Args)]
pub(crate) struct WaitRunsArgs {
    /// The runs' uids, or the beginnings of them
    #[arg(value_name = "UID", required = true, value_parser = normalise::string())]
    pub(crate) uids: Vec<String>,

    /// Maximum duration of the wait, such as 30s, 10m, 1d or none; the runs go on (124)
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<Bound>,

    #[command(flatten)]
    pub(crate) hooks: HookArgs,
}

/// Arguments of `mer fetch`.
#[derive(Debug, Clone, Args)]
pub(crate) struct FetchArgs {
    /// The run's uid, or the beginning of it
    #[arg(value_name = "UID", value_parser = normalise::string())]
    pub(crate) uid: String,

    /// The folder for the files; the run's uid by default
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) folder: Option<PathBuf>,
}
