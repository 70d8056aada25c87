//! Errors of a run that was not attempted, or could not be recorded.

use mer_core::{Classified, FailureKind, Shortage};
use thiserror::Error;

/// A run that was not attempted, or whose start could not be recorded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SchedulerError {
    /// The caller chose a server that the model does not run on.
    #[error("model `{model}` does not run on server `{server}` (it runs on {})", .runs_on.join(", "))]
    NotOnServer {
        /// The model.
        model: String,
        /// The chosen server.
        server: String,
        /// The servers that it runs on.
        runs_on: Vec<String>,
        /// The servers with a similar name.
        near: Vec<String>,
    },
    /// The model names a server that is not registered.
    #[error("model `{model}` names the server `{server}`, which is not registered")]
    NoSuchServer {
        /// The model.
        model: String,
        /// The server.
        server: String,
    },
    /// The model has no command of the requested kind.
    #[error("model `{model}` has no `{key}` on server `{server}`")]
    NoCommand {
        /// The model.
        model: String,
        /// The server.
        server: String,
        /// `inferenceCommand` or `trainCommand`.
        key: &'static str,
    },
    /// The model's protocol cannot carry the input.
    #[error("model `{model}` cannot be sent this input")]
    Input {
        /// The model.
        model: String,
        /// The part that cannot be carried.
        source: mer_meal::InputError,
    },
    /// The input is longer than a process that stays up may be sent.
    #[error("the input for `{model}` is longer than {} MiB, which is the most that a `lines` or `token` model is sent", .limit / (1024 * 1024))]
    TooLong {
        /// The model.
        model: String,
        /// The bound, in bytes.
        limit: usize,
    },
    /// The start of the run could not be recorded, so nothing was started.
    #[error("the start of the run of `{model}` could not be put on record, so that nothing was started")]
    Record {
        /// The model.
        model: String,
        /// The error of the journal.
        source: mer_dal::JournalError,
    },
}

impl Classified for SchedulerError {
    fn failure_kind(&self) -> FailureKind {
        match self {
            Self::NotOnServer { .. } => FailureKind::NotFound,
            Self::NoSuchServer { .. } | Self::NoCommand { .. } => FailureKind::Config,
            Self::Input { .. } | Self::TooLong { .. } => FailureKind::Input,
            Self::Record { .. } => Shortage::of(self).map_or(FailureKind::Io, Shortage::failure_kind),
        }
    }
}
