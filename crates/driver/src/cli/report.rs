//! `mer report`.

use clap::{Args, ValueHint};

use super::moment::Moment;

/// Arguments of `mer report`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReportArgs {
    /// The page: one file of HTML that needs nothing else; - for standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "json")]
    pub(crate) output: Option<std::path::PathBuf>,

    /// Begin at this time: 2026-05-04T12:00, a day, yesterday, or how long ago, such as 2h
    #[arg(long, value_name = "TIME", default_value = "7d")]
    pub(crate) since: Moment,

    /// End at this time
    #[arg(long, value_name = "TIME", default_value = "now")]
    pub(crate) until: Moment,

    /// Read and show times in UTC, whatever the time zone is
    #[arg(long)]
    pub(crate) utc: bool,
}
