//! The verbs.

use std::ffi::OsString;

use clap::{Args, Subcommand};
use clap_complete::Shell;

use super::{
    doctor::DoctorArgs,
    log::LogVerb,
    migrate::MigrateVerb,
    registry::{ApplyArgs, ExportArgs, ImportArgs, ModelVerb, ServerVerb},
    run::RunArgs,
    train::TrainArgs,
    weights::WeightsVerb,
};

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Verb {
    /// Run a model once; standard output carries exactly the model's output
    #[command(aliases = ["execute", "exec", "infer"])]
    Run(RunArgs),
    /// Train a model; what it writes becomes the next version of its weights
    Train(TrainArgs),
    /// List, show, check, add, change and remove models
    #[command(subcommand, aliases = ["models"])]
    Model(ModelVerb),
    /// List, show, check, add, change and remove servers
    #[command(subcommand, aliases = ["servers"])]
    Server(ServerVerb),
    /// List, show, put, get, name and remove versions of models' weights
    #[command(subcommand, aliases = ["weight"])]
    Weights(WeightsVerb),
    /// List and show accesses: who ran what, when, and how it ended
    #[command(subcommand, aliases = ["logs", "history"])]
    Log(LogVerb),
    /// Bring servers and models to what a TOML file says
    Apply(ApplyArgs),
    /// Write servers and models as one TOML file; with --all everything there is
    Export(ExportArgs),
    /// Take over what `mer export --all` of another database wrote
    Import(ImportArgs),
    /// Bring the database's schema to this version, or show where it stands
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
    /// Make plain lines inputs of this model (REPL and scripts); without MODEL: commands again
    Use(UseArgs),
    /// Leave the REPL or the script
    #[command(aliases = ["exit", "bye", "q", ":q"])]
    Quit,
    /// Print the version
    Version,
    /// Print a completion script for a shell
    #[command(aliases = ["completion"])]
    Completions(CompletionsArgs),
    /// Be one of the example models that are built in
    ExampleModel(ExampleModelArgs),
    /// Tell startStopScripts, through a pipe, the owner of the database that they start
    #[command(hide = true)]
    InternalOwner,
}

/// What to do with the settings.
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
