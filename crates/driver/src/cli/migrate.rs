//! `mer migrate`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use mer_core::Bound;

/// Commands of `mer migrate`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum MigrateVerb {
    /// Apply pending scripts; the default of `mer migrate`
    Up(UpArgs),
    /// Show which scripts are applied, pending, changed, and missing here; exit code 78 unless all are applied
    Status(ScriptsArgs),
    /// Show what `up` would apply, without changing anything
    Plan(PlanArgs),
    /// Wait until the database answers
    Wait(WaitArgs),
    /// Record scripts as applied without running them, for a schema that was created by other means
    Baseline(BaselineArgs),
    /// Accept scripts that have changed since they were applied, without running them
    Repair(RepairArgs),
    /// Give this copy of a database its own identity: records of the original that are still in journals do not go into it
    Adopt(AdoptArgs),
}

/// Additional scripts.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ScriptsArgs {
    /// Also the scripts of this folder: XX-NameOfTheScript.sql, from 1000 on
    ///
    /// If the folder has a subfolder `surreal` or `postgres`, the one that fits the database is used.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) sql_dir: Option<PathBuf>,
}

/// Arguments of `mer migrate plan`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) scripts: ScriptsArgs,

    /// Stop after this script
    #[arg(long, value_name = "N")]
    pub(crate) target: Option<u32>,
}

/// Arguments of `mer migrate up`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub(crate) plan: PlanArgs,

    /// Show what would be applied, without changing anything
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Arguments of `mer migrate wait`.
#[derive(Debug, Clone, Args)]
pub(crate) struct WaitArgs {
    /// Maximum wait, such as 30s, 10m or none; the setting dbWait if it is left out
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
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// Arguments of `mer migrate repair`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RepairArgs {
    #[command(flatten)]
    pub(crate) scripts: ScriptsArgs,

    /// Do not ask for confirmation
    #[arg(short, long)]
    pub(crate) yes: bool,
}
