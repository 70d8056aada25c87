//! The whole command line.

use clap::{Command, CommandFactory as _};

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

/// Returns clap's grammar, for help, completion scripts and the REPL's completion.
pub(crate) fn command() -> Command {
    Cli::command()
}

/// Returns the whole help with a paragraph behind it, plain and with colour. It is wrapped to the terminal's width.
pub(crate) fn help_with(paragraph: &str) -> (String, String) {
    let grammar = command();
    let after = grammar.get_after_help().map(ToString::to_string).unwrap_or_default();
    let help = grammar.after_help(format!("{after}\n\n{paragraph}")).render_long_help();
    (help.to_string(), help.ansi().to_string())
}
