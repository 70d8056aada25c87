//! The grammar: one for the shell, the REPL and scripts. The doc comments of the arguments are their help.

mod change;
mod change_values;
mod command_line;
mod doctor;
mod global;
mod input;
mod log;
mod migrate;
mod normalise;
mod parse;
mod registry;
mod request_args;
mod run;
mod train;
mod verb;
mod weights;

pub(crate) use change::{
    ModelAddArgs, ModelFlags, ModelSetArgs, RemoveArgs, ServerAddArgs, ServerFlags, ServerSetArgs,
};
pub(crate) use change_values::{Destination, Words};
pub(crate) use command_line::{Typed, line_of};
pub(crate) use doctor::DoctorArgs;
pub(crate) use global::{ALLOW_CHANGES, GlobalArgs};
pub(crate) use input::Input;
pub(crate) use log::{LogDrainArgs, LogListArgs, LogVerb};
pub(crate) use migrate::{AdoptArgs, BaselineArgs, MigrateVerb, PlanArgs, RepairArgs, ScriptsArgs, UpArgs, WaitArgs};
pub(crate) use parse::{Parsed, command, help_with, parse, split_line, wants_json};
pub(crate) use registry::{ApplyArgs, ExportArgs, ImportArgs, ModelVerb, PingArgs, ServerPingArgs, ServerVerb};
pub(crate) use request_args::{RequestArgs, selector};
pub(crate) use run::RunArgs;
pub(crate) use train::TrainArgs;
pub(crate) use verb::{CompletionsArgs, ExampleModelArgs, Verb};
pub(crate) use weights::{
    Shape, WeightsAliasArgs, WeightsGcArgs, WeightsGetArgs, WeightsListArgs, WeightsPutArgs, WeightsRemoveArgs,
    WeightsShowArgs, WeightsVerb,
};

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
    /// The line as it was typed.
    #[arg(skip)]
    pub(crate) typed: Typed,
}

const AFTER_HELP: &str = "\
Exit codes: 0 success, 1 the model failed, 64 usage, 65 input, 66 not found, 69 unreachable, 70 a bug, \
74 database or I/O, 75 busy, 76 protocol, 77 refused, 78 configuration, 124 timeout, 129/130/141/143 signals.";

#[cfg(test)]
mod tests;
