//! `mer log`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use mer_dal::StatsBy;
use uuid::Uuid;

use super::{log_filter::LogFilterArgs, moment::Moment};

/// Commands of `mer log`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum LogVerb {
    /// List runs and trainings, newest first
    #[command(visible_alias = "ls")]
    List(LogListArgs),
    /// Show one access with all that is known of it
    Show(LogShowArgs),
    /// Show the newest runs and trainings, newest last, and with -f those that begin and end from now on
    Tail(LogTailArgs),
    /// Count runs and trainings, with failures and quantiles of their durations
    Stats(LogStatsArgs),
    /// Write accesses as CSV or as lines of JSON, with their number and sha256 at the end
    Export(LogExportArgs),
    /// Delete old accesses that are over, as the database user of `mer migrate`
    Prune(LogPruneArgs),
    /// Move the records in this machine's journal into the database, as `mer log list` and `show` do too
    Drain(LogDrainArgs),
}

/// Arguments of `mer log list`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogListArgs {
    /// Maximum number of rows
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: usize,

    /// Write CSV, with all fields as columns
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,

    #[command(flatten)]
    pub(crate) filter: LogFilterArgs,
}

/// Arguments of `mer log tail`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogTailArgs {
    /// Number of rows to begin with
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub(crate) limit: usize,

    /// Go on until Ctrl-C: a row for each access that begins, and one when it ends
    #[arg(short, long)]
    pub(crate) follow: bool,

    #[command(flatten)]
    pub(crate) filter: LogFilterArgs,
}

/// Arguments of `mer log stats`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogStatsArgs {
    /// What to group by: model, server, version (of the weights), caller, status, hour or day (UTC)
    #[arg(long, value_name = "GROUP", value_enum, hide_possible_values = true)]
    by: Option<StatsByArg>,

    /// Write CSV
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,

    #[command(flatten)]
    pub(crate) filter: LogFilterArgs,
}

/// A value of `--by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StatsByArg {
    Model,
    Server,
    Version,
    Caller,
    Status,
    Hour,
    Day,
}

impl LogStatsArgs {
    pub(crate) fn by(&self) -> StatsBy {
        match self.by {
            None => StatsBy::All,
            Some(StatsByArg::Model) => StatsBy::Model,
            Some(StatsByArg::Server) => StatsBy::Server,
            Some(StatsByArg::Version) => StatsBy::Version,
            Some(StatsByArg::Caller) => StatsBy::Caller,
            Some(StatsByArg::Status) => StatsBy::Status,
            Some(StatsByArg::Hour) => StatsBy::Hour,
            Some(StatsByArg::Day) => StatsBy::Day,
        }
    }
}

/// Arguments of `mer log export`.
#[derive(Debug, Clone, Args)]
#[group(id = "format", required = true, multiple = false, args = ["csv", "jsonl"])]
pub(crate) struct LogExportArgs {
    /// Write CSV; no text is a formula for a spreadsheet
    #[arg(long)]
    pub(crate) csv: bool,

    /// Write an object a line, as `mer log list --json`
    #[arg(long)]
    pub(crate) jsonl: bool,

    /// The file, which appears when it is complete; otherwise standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,

    /// Only requests after this one, such as the last one of the export before
    #[arg(long, value_name = "UID")]
    pub(crate) after: Option<Uuid>,

    #[command(flatten)]
    pub(crate) filter: LogFilterArgs,
}

/// Arguments of `mer log prune`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogPruneArgs {
    /// Delete accesses that began before this time: how long ago, such as 90d, a day, or a time
    #[arg(long, value_name = "TIME")]
    pub(crate) older_than: Moment,

    /// Number of newest accesses to keep, however old they are
    #[arg(long, value_name = "N")]
    pub(crate) keep: Option<u64>,

    /// Say how many would be deleted, and delete nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Read and show times in UTC, whatever the time zone is
    #[arg(long)]
    pub(crate) utc: bool,
}

/// Arguments of `mer log drain`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogDrainArgs {
    /// Also records made for this database when it had this address; `mer doctor` and `mer log list` name it
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) from: Vec<String>,
}

/// Arguments of `mer log show`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogShowArgs {
    /// The requestUid, or its beginning; the newest run or training if it is left out
    #[arg(value_name = "UID")]
    pub(crate) uid: Option<String>,
}
