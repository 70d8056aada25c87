//! Errors of runs that were not attempted, or could not be recorded.

use mer_core::{Classified, FailureKind, Protocol, Shortage};
use thiserror::Error;

use crate::limits::LimitsError;

/// Why a run was not attempted, or could not be recorded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SchedulerError {
    /// The caller pinned a server that the model does not run on.
    #[error("model `{model}` does not run on server `{server}` (it runs on {})", .runs_on.join(", "))]
    NotOnServer {
        /// Name of the model.
        model: String,
        /// Name of the pinned server.
        server: String,
        /// Names of the servers that it runs on.
        runs_on: Vec<String>,
        /// Those of them with a similar name.
        near: Vec<String>,
    },
    /// The model names a server that is not registered.
    #[error("model `{model}` names the server `{server}`, which is not registered")]
    NoSuchServer {
        /// Name of the model.
        model: String,
        /// Name of the server.
        server: String,
    },
    /// The model has no command for this kind of request.
    #[error("model `{model}` has no `{key}` on server `{server}`")]
    NoCommand {
        /// Name of the model.
        model: String,
        /// Name of the server.
        server: String,
        /// `inferenceCommand` or `trainCommand`.
        key: &'static str,
    },
    /// The input cannot be framed in the model's protocol.
    #[error("model `{model}` cannot be sent this input")]
    Input {
        /// Name of the model.
        model: String,
        /// What in it cannot be framed.
        source: mer_meal::InputError,
    },
    /// The input is too long for a process that stays up.
    #[error("the input for `{model}` is longer than {} MiB, the maximum for `lines` and `token` models", .limit / (1024 * 1024))]
    TooLong {
        /// Name of the model.
        model: String,
        /// Maximum length, in bytes.
        limit: usize,
    },
    /// The model is to be kept, and each of its processes ends with its request.
    #[error("model `{model}` cannot be kept: a `oneshot` process ends with its request")]
    NotKept {
        /// Name of the model.
        model: String,
    },
    /// The run is to outlive its caller, and the model's process serves many requests.
    #[error("model `{model}` cannot be detached: a `{}` process stays up and serves many requests", .protocol.name())]
    NotDetached {
        /// Name of the model.
        model: String,
        /// Its protocol.
        protocol: Protocol,
    },
    /// The run is to outlive its caller, and the model's own launcher starts it elsewhere.
    #[error(
        "model `{model}` cannot be detached: its launcher starts it elsewhere, and a detached run is found by its server"
    )]
    DetachedLauncher {
        /// Name of the model.
        model: String,
    },
    /// The run is to outlive its caller and to be tried again, and no server of the model is a cluster.
    #[error(
        "model `{model}` cannot be detached with further attempts: only a cluster runs a job again, and none of its servers is one"
    )]
    DetachedRetries {
        /// Name of the model.
        model: String,
    },
    /// A run that is to outlive its caller could not be put on record.
    #[error("the run of `{model}` could not be put on record, without which it cannot outlive its caller")]
    DetachedRecord {
        /// Name of the model.
        model: String,
        /// Error of the database.
        source: mer_dal::DalError,
    },
    /// None of the model's servers has what it needs.
    #[error("model `{model}` needs {needs}, which {} cannot give", .servers.join(" and "))]
    NeedsUnmet {
        /// Name of the model.
        model: String,
        /// What it needs: "`gpu` = 2".
        needs: String,
        /// Its servers, each in backticks.
        servers: Vec<String>,
    },
    /// It could not be found out whether what the model needs is free.
    #[error("model `{model}` was not started, because its server has limits")]
    Limits {
        /// Name of the model.
        model: String,
        /// Why.
        source: LimitsError,
    },
    /// Too many requests wait for the model.
    #[error("{queued} requests wait for model `{model}` already, the maximum (`queueLength`)")]
    QueueFull {
        /// Name of the model.
        model: String,
        /// Number of requests that wait.
        queued: usize,
    },
    /// The start of the run could not be recorded, so nothing was started.
    #[error("the start of the run of `{model}` could not be recorded, so nothing was started")]
    Record {
        /// Name of the model.
        model: String,
        /// Error of the journal.
        source: mer_dal::JournalError,
    },
}

impl Classified for SchedulerError {
    fn failure_kind(&self) -> FailureKind {
        match self {
            Self::NotOnServer { .. } => FailureKind::NotFound,
            Self::NoSuchServer { .. }
            | Self::NoCommand { .. }
            | Self::NeedsUnmet { .. }
            | Self::DetachedRetries { .. } => FailureKind::Config,
            Self::Input { .. } | Self::TooLong { .. } => FailureKind::Input,
            Self::NotKept { .. } | Self::NotDetached { .. } | Self::DetachedLauncher { .. } => FailureKind::Usage,
            Self::DetachedRecord { source, .. } => source.failure_kind(),
            Self::Limits { source, .. } => source.failure_kind(),
            Self::QueueFull { .. } => FailureKind::Busy,
            Self::Record { .. } => Shortage::of(self).map_or(FailureKind::Io, Shortage::failure_kind),
        }
    }
}
