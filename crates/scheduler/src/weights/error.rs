//! Why weights did not get to where a model runs.

use std::{io, path::PathBuf};

use mer_core::{Classified, Distrust, FailureKind, Shortage};
use mer_dal::DalError;
use mer_meal::StartError;
use thiserror::Error;

/// Weights that were not delivered; the model was not started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The folder of this machine does not take them.
    #[error("cannot put the weights `{version}` into `{}`", folder.display())]
    Keep {
        /// `MODEL:VERSION`.
        version: String,
        /// Where.
        folder: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// Another user can put other weights into the folder of this machine.
    #[error("the folder of weights `{}` is not used: {why}", folder.display())]
    Distrusted {
        /// Where.
        folder: PathBuf,
        /// Why it is not to be believed.
        why: Distrust,
    },
    /// The database says of them what cannot be.
    #[error("the weights `{version}` cannot be used")]
    Invalid {
        /// `MODEL:VERSION`.
        version: String,
        /// The field, and what is wrong with it.
        source: mer_core::Invalid,
    },
    /// The database does not give them.
    #[error("cannot read the weights `{version}` from the database")]
    Database {
        /// `MODEL:VERSION`.
        version: String,
        /// What the data access layer says.
        source: DalError,
    },
    /// Nothing can be started on the server.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The server does not take them.
    #[error("the weights `{version}` cannot be put on `{server}`: {said}")]
    Refused {
        /// `MODEL:VERSION`.
        version: String,
        /// The server.
        server: String,
        /// The last word over there.
        said: String,
    },
    /// They arrived as something else, twice.
    #[error("the weights `{version}` arrived on `{server}` with another sha256, twice")]
    Differs {
        /// `MODEL:VERSION`.
        version: String,
        /// The server.
        server: String,
    },
    /// The server went away, or does nothing any more.
    #[error("the weights `{version}` did not get to `{server}`: {detail}")]
    Lost {
        /// `MODEL:VERSION`.
        version: String,
        /// The server.
        server: String,
        /// What was noticed.
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
