//! Why weights were not delivered.

use std::{io, path::PathBuf};

use mer_core::{Classified, Distrust, FailureKind, Shortage};
use mer_dal::DalError;
use mer_meal::StartError;
use thiserror::Error;

/// Why weights were not delivered. The model was not started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// They could not be written to the folder on this machine.
    #[error("cannot put the weights `{version}` into `{}`", folder.display())]
    Cache {
        /// `MODEL:VERSION`.
        version: String,
        /// The folder.
        folder: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// Another user can put other weights into the folder on this machine.
    #[error("the folder of weights `{}` is not used: {why}", folder.display())]
    Distrusted {
        /// The folder.
        folder: PathBuf,
        /// Why it is not trusted.
        why: Distrust,
    },
    /// Their row in the database is not valid.
    #[error("the weights `{version}` cannot be used")]
    Invalid {
        /// `MODEL:VERSION`.
        version: String,
        /// The field, and what is wrong with it.
        source: mer_core::Invalid,
    },
    /// They could not be read from the database.
    #[error("cannot read the weights `{version}` from the database")]
    Database {
        /// `MODEL:VERSION`.
        version: String,
        /// Error of the data access layer.
        source: DalError,
    },
    /// No process could be started on the server.
    #[error(transparent)]
    Start(#[from] StartError),
    /// They could not be written on the server.
    #[error("the weights `{version}` cannot be put on `{server}`: {message}")]
    Refused {
        /// `MODEL:VERSION`.
        version: String,
        /// Name of the server.
        server: String,
        /// Last line of the script's stderr.
        message: String,
    },
    /// They arrived with another sha256, twice.
    #[error("the weights `{version}` arrived on `{server}` with another sha256, twice")]
    Differs {
        /// `MODEL:VERSION`.
        version: String,
        /// Name of the server.
        server: String,
    },
    /// The connection was lost, or the transfer made no progress.
    #[error("the weights `{version}` were not delivered to `{server}`: {detail}")]
    Lost {
        /// `MODEL:VERSION`.
        version: String,
        /// Name of the server.
        server: String,
        /// What happened.
        detail: String,
    },
    /// The request was cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl Classified for DeliveryError {
    fn failure_kind(&self) -> FailureKind {
        match self {
            Self::Cache { .. } => Shortage::of(self).map_or(FailureKind::Io, Shortage::failure_kind),
            Self::Distrusted { .. } => FailureKind::Refused,
            Self::Refused { .. } | Self::Differs { .. } => FailureKind::Io,
            Self::Invalid { .. } => FailureKind::Input,
            Self::Start(error) => error.failure_kind(),
            Self::Database { source, .. } => source.failure_kind(),
            Self::Lost { .. } => FailureKind::Unreachable,
            Self::Cancelled => FailureKind::Cancelled,
        }
    }
}
