//! The whole command line.

use super::{command_line::CommandLine, global::GlobalArgs, verb::Verb};

/// Registers models and the servers they run on, runs them over standard pipes, and keeps a log of every access.
///
/// Without a command: the REPL on a terminal; elsewhere commands are read from standard input, a line each.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "mer", bin_name = "mer", version, after_help = AFTER_HELP, max_term_width = 110)]
#[command(subcommand_value_name = "COMMAND")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    /// The words that were parsed.
    #[arg(skip)]
    pub(crate) command_line: CommandLine,
}

const AFTER_HELP: &str = "\
Exit codes: 0 success, 1 the model failed, 64 usage, 65 input, 66 not found, 69 unreachable, 70 a bug, \
74 database or I/O, 75 busy, 76 protocol, 77 refused, 78 configuration, 124 timeout, 129/130/141/143 signals.";
