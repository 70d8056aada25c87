//! What can be wrong with a registry.

use thiserror::Error;

use crate::{ConnType, LOCAL_SERVER, NameError};

/// What is wrong with a server or model of a registry.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// A server or model has a name that is not allowed.
    #[error("a {object} has a name that cannot be used")]
    Name {
        /// `server` or `model`.
        object: &'static str,
        /// The rule that the name breaks.
        source: NameError,
    },
    /// The server `local` has another `connType`.
    #[error("server `local` is this machine: its connType is `local`")]
    LocalIsLocal,
    /// A server that is reached over SSH has no host.
    #[error("server `{server}` has connType `ssh` and no `host`")]
    NoHost {
        /// Name of the server.
        server: String,
    },
    /// A server that is not reached over SSH has a key that applies to SSH only.
    #[error("server `{server}` has `{key}`, which is for {what}, and its connType is `{conn_type}`{}", without_host(*conn_type))]
    OnlyBySsh {
        /// Name of the server.
        server: String,
        /// The key in its table.
        key: &'static str,
        /// What the key is for.
        what: &'static str,
        /// How the server is reached.
        conn_type: ConnType,
    },
    /// A server that is no cluster has a key that applies to Slurm only.
    #[error("server `{server}` has `{key}`, which is for connType `slurm`, and its connType is `{conn_type}`")]
    OnlyBySlurm {
        /// Name of the server.
        server: String,
        /// The key in its table.
        key: &'static str,
        /// How the server is reached.
        conn_type: ConnType,
    },
    /// A model names a server that does not exist.
    #[error("model `{model}` names the server `{server}`, which does not exist")]
    NoSuchServer {
        /// Name of the model.
        model: String,
        /// Name of the server.
        server: String,
    },
    /// The host of a server is not a name or an address.
    #[error("server `{server}`: `host = {host:?}` is not a host: {why}")]
    Host {
        /// Name of the server.
        server: String,
        /// The value of `host`.
        host: String,
        /// What is wrong, and what to write instead.
        why: &'static str,
    },
    /// A model names a server more than once.
    #[error("model `{model}` names the server `{server}` twice in `servers`")]
    ServerTwice {
        /// Name of the model.
        model: String,
        /// Name of the server.
        server: String,
    },
    /// A model has a table `on.SERVER` for a server that it does not run on.
    #[error("model `{model}` has settings `on.{server}`, but does not run on `{server}`")]
    NotOnServer {
        /// Name of the model.
        model: String,
        /// Name of the server.
        server: String,
    },
    /// A model has no command on a server.
    #[error("model `{model}` has no `inferenceCommand` on server `{server}`")]
    NoCommand {
        /// Name of the model.
        model: String,
        /// Name of the server.
        server: String,
    },
    /// A command is a string without `shell`, or an array with it.
    #[error("model `{model}`: {what}")]
    CommandKind {
        /// Name of the model.
        model: String,
        /// What is wrong, and what to write instead.
        what: String,
    },
    /// A token is empty or has several lines.
    #[error("model `{model}`: `{key}` must be one line that is not empty")]
    Token {
        /// Name of the model.
        model: String,
        /// The key.
        key: &'static str,
    },
    /// An environment variable has a name that is not allowed.
    #[error("model `{model}`: `env` names a variable {name:?}; a name is not empty, and has no `=` and no NUL in it")]
    Variable {
        /// Name of the model.
        model: String,
        /// Name of the variable.
        name: String,
    },
    /// A key has a value that is not allowed.
    #[error("{object} `{name}`: `{key}` {what}")]
    Value {
        /// `server` or `model`.
        object: &'static str,
        /// Its name.
        name: String,
        /// The key.
        key: &'static str,
        /// What is wrong with its value.
        what: String,
    },
    /// A text has a NUL in it, so it cannot be passed to a program.
    #[error("{object} `{name}`: `{key}` has a NUL in it, which cannot be passed to a program")]
    Nul {
        /// `server` or `model`.
        object: &'static str,
        /// Its name.
        name: String,
        /// The key.
        key: String,
    },
}

/// Returns what a cluster lacks that is used from this machine.
const fn without_host(conn_type: ConnType) -> &'static str {
    if matches!(conn_type, ConnType::Slurm) { " without `host`" } else { "" }
}

impl RegistryError {
    /// Returns the object that is wrong: `server` or `model`, and its name.
    #[must_use]
    pub fn object(&self) -> (&'static str, &str) {
        match self {
            Self::Name { object, source } => (object, source.name()),
            Self::LocalIsLocal => ("server", LOCAL_SERVER),
            Self::NoHost { server }
            | Self::OnlyBySsh { server, .. }
            | Self::OnlyBySlurm { server, .. }
            | Self::Host { server, .. } => ("server", server),
            Self::Nul { object, name, .. } | Self::Value { object, name, .. } => (object, name),
            Self::NoSuchServer { model, .. }
            | Self::ServerTwice { model, .. }
            | Self::NotOnServer { model, .. }
            | Self::NoCommand { model, .. }
            | Self::CommandKind { model, .. }
            | Self::Token { model, .. }
            | Self::Variable { model, .. } => ("model", model),
        }
    }
}
