//! The verbs.

use std::ffi::OsString;

use clap::{Args, Subcommand};
use clap_complete::Shell;

use super::{
    batch::BatchArgs,
    detached::{AttachArgs, FetchArgs, WaitRunsArgs},
    doctor::DoctorArgs,
    log::LogVerb,
    migrate::MigrateVerb,
    registry::{ApplyArgs, ExportArgs, ImportArgs, ModelVerb, ServerVerb},
    report::ReportArgs,
    run::RunArgs,
    serve::{LoadArgs, ServeArgs, StopArgs},
    train::TrainArgs,
    weights::WeightsVerb,
};

/// A command.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Verb {
    /// Run a model once; standard output carries exactly the model's output
    #[command(aliases = ["execute", "exec", "infer"])]
    Run(RunArgs),
    /// Run a model for each line of a file; --resume goes on where a batch was ended
    Batch(BatchArgs),
    /// Train a model; what it writes becomes the next version of its weights
    Train(TrainArgs),
    /// Keep models warm for separate calls of `mer run`, in the foreground
    Serve(ServeArgs),
    /// List the kept processes of models, and the detached runs
    Ps,
    /// Start a process of each model, and keep it
    Load(LoadArgs),
    /// End kept processes after their reply, and detached runs
    Stop(StopArgs),
    /// Show the output of a detached run; Ctrl-C leaves it running
    Attach(AttachArgs),
    /// Wait until detached runs are over, and end with their exit code
    Wait(WaitRunsArgs),
    /// Bring the output and the artefacts of a detached run
    Fetch(FetchArgs),
    /// List, show, check, add, change and remove models
    #[command(subcommand, aliases = ["models"])]
    Model(ModelVerb),
    /// List, show, check, add, change and remove servers
    #[command(subcommand, aliases = ["servers"])]
    Server(ServerVerb),
    /// List, show, put, get, name and remove versions of models' weights
    #[command(subcommand, aliases = ["weight"])]
    Weights(WeightsVerb),
    /// List, show, follow, count, export and prune accesses
    #[command(subcommand, aliases = ["logs", "history"])]
    Log(LogVerb),
    /// Write a page with the log's numbers over time: requests, failures, durations, versions, servers
    Report(ReportArgs),
    /// Change servers and models to match a TOML file
    Apply(ApplyArgs),
    /// Write servers and models as one TOML file; with --all the whole database
    Export(ExportArgs),
    /// Import what `mer export --all` wrote from another database
    Import(ImportArgs),
    /// Update the database's schema to this version, or show its state
    #[command(subcommand, aliases = ["migrations"])]
    Migrate(MigrateVerb),
    /// Show the settings and where each comes from
    #[command(subcommand, aliases = ["settings"])]
    Config(ConfigVerb),
    /// Check settings, folders, database, servers, models and secrets, and say what to do; 0 or 1
    #[command(aliases = ["check"])]
    Doctor(DoctorArgs),
    /// Read commands: with a prompt on a terminal, else as a script
    #[command(aliases = ["shell"])]
    Repl,
    /// Send plain lines to this model (REPL and scripts); without MODEL they are commands again
    Use(UseArgs),
    /// Leave the REPL or the script
    #[command(aliases = ["exit", "bye", "q", ":q"])]
    Quit,
    /// Print the version
    Version,
    /// Print a completion script for a shell
    #[command(aliases = ["completion"])]
    Completions(CompletionsArgs),
    /// Run as one of the built-in example models
    ExampleModel(ExampleModelArgs),
    /// Write the owner of the database to a pipe, for startStopScripts
    #[command(hide = true)]
    InternalOwner,
    /// Move the journal into the database, for the resident
    #[command(hide = true)]
    InternalDrain,
}

/// Commands of `mer config`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Show each setting's value and where it comes from; secrets are redacted
    #[command(aliases = ["list", "ls"])]
    Show,
}

/// Arguments of `use`.
#[derive(Debug, Clone, Args)]
pub(crate) struct UseArgs {
    /// The model's name
    #[arg(value_name = "MODEL")]
    pub(crate) model: Option<String>,
}

/// Arguments of `mer completions`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// Arguments of `mer example-model`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ExampleModelArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,

    /// The model's own arguments
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) args: Vec<OsString>,
}
