//! `mer batch`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use mer_batch::{Duplicates, Halt, InputFormat};
use mer_core::{Bound, FailureKind, Tags};

use super::{HookArgs, normalise, request_values};
use crate::errors::CliError;

const EXAMPLES: &str = "\
Examples:
  mer batch iris flowers.csv -o answers            an answer a line, in the order of the lines
  mer batch iris flowers.csv -o answers --resume   goes on, whatever ended it
  mer batch chat q.jsonl --jsonl --id id --json -o a.jsonl
  ls *.png | mer batch caption --files --outdir captions -j 4";

/// Arguments of `mer batch`.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct BatchArgs {
    /// The model's name; MODEL:3 or MODEL@alias for other weights than the current ones
    #[arg(value_name = "MODEL", value_parser = normalise::string())]
    pub(crate) model: String,

    /// The inputs, one an item; standard input with - or without FILE
    #[arg(value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    pub(crate) input: Option<PathBuf>,

    /// Write the results to this file, and keep a ledger beside it, with which --resume goes on
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,

    /// Write each result to a file of its own in this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "output")]
    pub(crate) outdir: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) format: FormatArgs,

    /// The field or column that identifies an item; with --jsonl or --csv
    #[arg(long, value_name = "FIELD")]
    pub(crate) id: Option<String>,

    /// What happens to equal items: they share one result, or each is run
    #[arg(long, value_name = "HOW")]
    pub(crate) duplicates: Option<DuplicatesArg>,

    /// Write results as they come, not in the order of the inputs
    #[arg(long)]
    pub(crate) unordered: bool,

    /// Maximum number of processes at once; by default what the servers' resources and `instances` allow
    #[arg(short, long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) jobs: Option<u32>,

    /// Maximum number of items that a process is sent ahead of its answers
    #[arg(long, value_name = "COUNT", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) pipeline: u32,

    /// Number of further attempts of an item where a server cannot be reached, or a process died before its reply
    #[arg(long, value_name = "COUNT", default_value_t = 0, hide_default_value = true)]
    pub(crate) retries: u32,

    /// End early: now or soon, and fail, success or done with a count or a share, such as soon,fail=10 or now,fail=5%
    #[arg(long, value_name = "WHEN,WHAT=COUNT")]
    pub(crate) halt: Option<Halt>,

    /// Go on with a batch that did not end
    #[arg(long)]
    pub(crate) resume: bool,

    /// With --resume: run items again that failed
    #[arg(long, requires = "resume")]
    pub(crate) retry_failed: bool,

    /// Overwrite results that are there; with --resume: go on although model, ledger or results were changed
    #[arg(long)]
    pub(crate) force: bool,

    /// Say what would be run, and run nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Write a line of JSON for each failed item to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) errors: Option<PathBuf>,

    /// What the log gets: a row for many items at once, or a row for each
    #[arg(long, value_name = "HOW", default_value = "parts", hide_default_value = true)]
    pub(crate) record: RecordArg,

    /// How progress is shown on standard error
    #[arg(long, value_name = "HOW", default_value = "auto", hide_default_value = true)]
    pub(crate) progress: ProgressArg,

    /// Run on this server only
    #[arg(long, value_name = "NAME")]
    pub(crate) server: Option<String>,

    /// Maximum duration of an item, such as 30s, 10m, 1d or none
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<Bound>,

    /// Leave the hashes of inputs and outputs out of the log, for speed
    #[arg(long)]
    pub(crate) no_hash: bool,

    /// A label for the log; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = request_values::tag())]
    tags: Vec<String>,

    /// Place among waiting requests, from -10 to 10; a greater number is served earlier
    #[arg(long, value_name = "NUMBER", default_value = "0", hide_default_value = true, value_parser = request_values::priority())]
    pub(crate) priority: i8,

    /// Ask no resident: run the model in this process
    #[arg(long)]
    pub(crate) no_serve: bool,

    #[command(flatten)]
    pub(crate) hooks: HookArgs,
}

/// How inputs are cut into items.
#[derive(Debug, Clone, Copy, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "a field is a flag of the command line")]
pub(crate) struct FormatArgs {
    /// A line is an item (default)
    #[arg(long, group = "input_format")]
    lines: bool,

    /// Items end with a NUL byte, and so do results; with another format only results do
    #[arg(long)]
    pub(crate) null: bool,

    /// A line is a JSON value
    #[arg(long, group = "input_format")]
    jsonl: bool,

    /// A record of CSV is an item: a JSON object with the names of the header
    #[arg(long, group = "input_format")]
    csv: bool,

    /// A line names a file, and its content is the item
    #[arg(long, group = "input_format")]
    files: bool,
}

impl FormatArgs {
    /// Returns how the input is cut.
    pub(crate) const fn input(self) -> InputFormat {
        match self {
            Self { jsonl: true, .. } => InputFormat::JsonLines,
            Self { csv: true, .. } => InputFormat::Csv,
            Self { files: true, .. } => InputFormat::Files,
            Self { null: true, lines: false, .. } => InputFormat::Null,
            _ => InputFormat::Lines,
        }
    }
}

/// A value of `--duplicates`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DuplicatesArg {
    /// They get the result of the first
    Share,
    /// Each is run
    Run,
}

/// A value of `--record`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecordArg {
    /// A row for up to 1,000 items
    Parts,
    /// A row for each item
    Each,
}

/// A value of `--progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressArg {
    /// A line on a terminal
    Auto,
    /// A JSON object a line, about once a second
    Json,
    /// Nothing
    None,
}

impl BatchArgs {
    /// Returns what happens to equal items.
    pub(crate) const fn duplicates(&self) -> Duplicates {
        match self.duplicates {
            None => Duplicates::Default,
            Some(DuplicatesArg::Share) => Duplicates::Share,
            Some(DuplicatesArg::Run) => Duplicates::Run,
        }
    }

    /// Returns the labels for the log.
    ///
    /// # Errors
    /// There are more of them than are kept (64).
    pub(crate) fn tags(&self) -> Result<Tags, CliError> {
        Tags::parse(self.tags.iter().map(String::as_str)).map_err(|error| CliError::of(FailureKind::Usage, error))
    }
}
