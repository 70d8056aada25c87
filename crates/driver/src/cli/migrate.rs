//! `mer migrate`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use mer_core::Bound;

/// What to do with the schema.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum MigrateVerb {
    /// Apply what is pending; also what `mer migrate` does by itself
    Up(UpArgs),
    /// Show what is applied, pending, changed, and missing here; exit code 78 if anything but applied
    Status(ScriptsArgs),
    /// Show what `up` would apply, and change nothing
    Plan(PlanArgs),
    /// Wait until the database answers
    Wait(WaitArgs),
    /// Note scripts as applied without running them, for a schema that was made by other means
    Baseline(BaselineArgs),
    /// Accept scripts that have changed since they were applied; runs none of them
    Repair(RepairArgs),
    /// Make this copy of a database one of its own: what runs of the original left in journals is no longer for it
    Adopt(AdoptArgs),
}

/// Which scripts.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ScriptsArgs {
    /// Beside the scripts inside the binary, those of this folder: XX-NameOfTheScript.sql, from 1000 on
    ///
    /// Where the folder has one called `surreal` or `postgres`, those in there, as fits the database.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) sql_dir: Option<PathBuf>,
}

/// Arguments of `mer migrate plan`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) scripts: ScriptsArgs,

    /// Go no further than this script
    #[arg(long, value_name = "N")]
    pub(crate) target: Option<u32>,
}

/// Arguments of `mer migrate up`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub(crate) plan: PlanArgs,

    /// Show what would be applied, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Arguments of `mer migrate wait`.
#[derive(Debug, Clone, Args)]
pub(crate) struct WaitArgs {
    /// How long, such as 30s, 10m or none; as long as for any database where it is not given
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<Bound>,
}

/// Arguments of `mer migrate baseline`.
#[derive(Debug, Clone, Args)]
pub(crate) struct BaselineArgs {
    /// The last script that the schema has already
    #[arg(value_name = "N")]
    pub(crate) number: u32,

    #[command(flatten)]
    pub(crate) scripts: ScriptsArgs,
}

/// Arguments of `mer migrate adopt`.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct AdoptArgs {
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// Arguments of `mer migrate repair`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RepairArgs {
    #[command(flatten)]
    pub(crate) scripts: ScriptsArgs,

    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}
