//! `mer model`, `mer server`, `mer apply`, `mer export`, `mer import`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::change::{ModelAddArgs, ModelSetArgs, RemoveArgs, ServerAddArgs, ServerSetArgs};

/// Commands of `mer model`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ModelVerb {
    /// List the models
    #[command(visible_alias = "ls")]
    List,
    /// Show one model
    Show(NameArgs),
    /// Check that a model's command exists on every server it runs on
    Ping(PingArgs),
    /// Register a model
    Add(Box<ModelAddArgs>),
    /// Change a registered model: only what is given
    Set(Box<ModelSetArgs>),
    /// Remove a model; its accesses stay in the log
    #[command(visible_aliases = ["rm", "delete"])]
    Remove(RemoveArgs),
}

/// Commands of `mer server`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ServerVerb {
    /// List the servers
    #[command(visible_alias = "ls")]
    List,
    /// Show one server
    Show(NameArgs),
    /// Connect to servers step by step, and say what to do about the step that fails
    Ping(ServerPingArgs),
    /// Register a server
    Add(Box<ServerAddArgs>),
    /// Change a registered server: only what is given
    Set(Box<ServerSetArgs>),
    /// Remove a server that no model names
    #[command(visible_aliases = ["rm", "delete"])]
    Remove(RemoveArgs),
}

/// The name of one object.
#[derive(Debug, Clone, Args)]
pub(crate) struct NameArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// Arguments of `mer model ping`.
#[derive(Debug, Clone, Args)]
pub(crate) struct PingArgs {
    /// The models; all if none is given
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,

    /// All models
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,
}

/// Arguments of `mer server ping`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerPingArgs {
    /// The servers; all if none is given
    #[arg(value_name = "NAME", group = "which")]
    pub(crate) names: Vec<String>,

    /// All servers
    #[arg(long, group = "which")]
    pub(crate) all: bool,

    /// Accept host keys that are not known yet, and write them into known_hosts
    ///
    /// A key that has changed or is revoked is still refused. Needs names of servers, or `--all`.
    #[arg(long, requires = "which")]
    pub(crate) accept_new: bool,
}

/// Arguments of `mer apply`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ApplyArgs {
    /// The registry as a TOML file; - for standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,

    /// Apply without asking
    #[arg(short, long)]
    pub(crate) yes: bool,

    /// Show what would change, without changing anything
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
}

/// Arguments of `mer export`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ExportArgs {
    /// With uids, times, weights and the log of accesses, as lines of JSON that `mer import` reads
    #[arg(long)]
    pub(crate) all: bool,

    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
}

/// Arguments of `mer import`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImportArgs {
    /// What `mer export --all` wrote; - for standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
}
