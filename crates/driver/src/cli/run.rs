//! `mer run`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{HookArgs, RequestArgs};

/// Arguments of `mer run`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) request: RequestArgs,

    /// End with the model's own exit code, or 128 and its signal
    #[arg(long)]
    pub(crate) passthrough: bool,

    /// Write the model's output to this file
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,

    /// Number of further attempts where a server cannot be reached, or a kept process died before its reply; with --detach: where
    /// Slurm puts the job back into its queue
    #[arg(long, value_name = "COUNT", default_value_t = 0, hide_default_value = true)]
    pub(crate) retries: u32,

    /// With --retries: try again also after the model itself failed
    #[arg(long, requires = "retries", conflicts_with = "detach")]
    pub(crate) retry_failed: bool,

    /// Ask no resident: run the model in this process
    #[arg(long)]
    pub(crate) no_serve: bool,

    /// Print the run's uid and end; the run goes on by itself, and --timeout bounds it
    #[arg(long, conflicts_with_all = ["passthrough", "output", "no_serve", "on_end", "on_failure"])]
    pub(crate) detach: bool,

    /// Bring the files that the model writes to MER_RUN_DIR into this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with_all = ["detach", "passthrough", "output", "retries", "no_serve"])]
    pub(crate) artefacts: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) hooks: HookArgs,
}

impl RunArgs {
    /// A run of this model without flags, for a plain line after `use MODEL`. The line is sent as it is: `@` and `-` have no
    /// meaning in it.
    pub(crate) fn plain(model: &str) -> Self {
        Self {
            request: RequestArgs::plain(model),
            passthrough: false,
            output: None,
            retries: 0,
            retry_failed: false,
            no_serve: false,
            detach: false,
            artefacts: None,
            hooks: HookArgs::default(),
        }
    }
}
