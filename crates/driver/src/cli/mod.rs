//! The command line: one grammar for the shell, the REPL and scripts. The doc comments of arguments are their help.

mod batch;
mod change;
mod change_values;
mod command_line;
mod detached;
mod doctor;
mod global;
mod grammar;
mod hooks;
mod input;
mod log;
mod log_filter;
mod migrate;
mod moment;
mod normalise;
mod parse;
mod process_flags;
mod registry;
mod report;
mod request_args;
mod request_values;
mod resource_values;
mod run;
mod serve;
mod slurm_flags;
mod train;
mod usage_error;
mod verb;
mod weights;

pub(crate) use batch::{BatchArgs, ProgressArg, RecordArg};
pub(crate) use change::{
    ModelAddArgs, ModelFlags, ModelSetArgs, RemoveArgs, ServerAddArgs, ServerFlags, ServerSetArgs,
};
pub(crate) use change_values::{Destination, Words};
pub(crate) use command_line::{CommandLine, line_of};
pub(crate) use detached::{AttachArgs, FetchArgs, WaitRunsArgs};
pub(crate) use doctor::DoctorArgs;
pub(crate) use global::ALLOW_CHANGES;
pub(crate) use grammar::{Cli, command, help_with};
pub(crate) use hooks::HookArgs;
pub(crate) use input::Input;
pub(crate) use log::{LogDrainArgs, LogExportArgs, LogListArgs, LogPruneArgs, LogStatsArgs, LogTailArgs, LogVerb};
pub(crate) use log_filter::LogFilterArgs;
pub(crate) use migrate::{AdoptArgs, BaselineArgs, MigrateVerb, PlanArgs, RepairArgs, ScriptsArgs, UpArgs, WaitArgs};
pub(crate) use parse::{Parsed, parse, split_line, wants_json};
pub(crate) use process_flags::ProcessFlags;
pub(crate) use registry::{ApplyArgs, ExportArgs, ImportArgs, ModelVerb, PingArgs, ServerPingArgs, ServerVerb};
pub(crate) use report::ReportArgs;
pub(crate) use request_args::{RequestArgs, selector};
pub(crate) use resource_values::{Need, Resource};
pub(crate) use run::RunArgs;
pub(crate) use serve::{LoadArgs, ServeArgs, StopArgs};
pub(crate) use slurm_flags::SlurmFlags;
pub(crate) use train::TrainArgs;
pub(crate) use verb::{CompletionsArgs, ExampleModelArgs, Verb};
pub(crate) use weights::{
    Shape, WeightsAliasArgs, WeightsGcArgs, WeightsGetArgs, WeightsListArgs, WeightsPutArgs, WeightsRemoveArgs,
    WeightsShowArgs, WeightsVerb,
};

#[cfg(test)]
mod tests;
