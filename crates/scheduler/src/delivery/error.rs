//! Errors of the delivery of weights to where a model runs.

use std::{io, path::PathBuf};

use mer_core::{Classified, Distrust, FailureKind, Shortage};
use mer_dal::DalError;
use mer_meal::StartError;
use thiserror::Error;

/// Weights that were not delivered, so that the model was not started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The weights cannot be written to the cache folder of this machine.
    #[error("cannot put the weights `{version}` into `{}`", folder.display())]
    Keep {
        /// `MODEL:VERSION`.
        version: String,
        /// The cache folder.
        folder: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The cache folder of this machine is not protected from other users.
    #[error("the folder of weights `{}` is not used: {why}", folder.display())]
    Distrusted {
        /// The cache folder.
        folder: PathBuf,
        /// How another user can have changed it.
        why: Distrust,
    },
    /// The record of the version has an invalid value.
    #[error("the weights `{version}` cannot be used")]
    Invalid {
        /// `MODEL:VERSION`.
        version: String,
        /// The field, and what is wrong with it.
        source: mer_core::Invalid,
    },
    /// The weights cannot be read from the database.
    #[error("cannot read the weights `{version}` from the database")]
    Database {
        /// `MODEL:VERSION`.
        version: String,
        /// The error of the database.
        source: DalError,
    },
    /// No process can be started on the server.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The server cannot store the weights.
    #[error("the weights `{version}` cannot be put on `{server}`: {said}")]
    Refused {
        /// `MODEL:VERSION`.
        version: String,
        /// The server.
        server: String,
        /// The last output of the script on the server.
        said: String,
    },
    /// The weights arrived with another hash, twice.
    #[error("the weights `{version}` arrived on `{server}` with another sha256, twice")]
    Differs {
        /// `MODEL:VERSION`.
        version: String,
        /// The server.
        server: String,
    },
    /// The server went away, or stopped responding.
    #[error("the weights `{version}` did not get to `{server}`: {detail}")]
    Lost {
        /// `MODEL:VERSION`.
        version: String,
        /// The server.
        server: String,
        /// How the loss was noticed.
        detail: String,
    },
    /// The request was cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl Classified for DeliveryError {
    fn failure_kind(&self) -> FailureKind {
        match self {
            Self::Keep { .. } => Shortage::of(self).map_or(FailureKind::Io, Shortage::failure_kind),
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
