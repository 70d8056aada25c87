//! Why weights did not get to where a model runs.

use std::{io, path::PathBuf};

use mer_core::ExitCode;
use mer_dal::DalError;
use thiserror::Error;

/// Weights that were not delivered; the model was not started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum DeliveryError {
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
    /// A variable cannot hold the folder's name.
    #[error("the folder of weights `{}` is no UTF-8", folder.display())]
    NoText {
        /// The folder.
        folder: PathBuf,
    },
    /// Weights are for models on this machine.
    #[error("the weights `{version}` cannot be taken to the server `{server}` yet")]
    Elsewhere {
        /// `MODEL:VERSION`.
        version: String,
        /// Where the model runs.
        server: String,
    },
    /// The database does not give them.
    #[error("cannot read the weights `{version}` from the database")]
    Database {
        /// `MODEL:VERSION`.
        version: String,
        /// What the data access layer says.
        source: DalError,
    },
}

impl DeliveryError {
    /// The exit code of `mer` for it.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Keep { .. } => ExitCode::IO,
            Self::NoText { .. } | Self::Elsewhere { .. } => ExitCode::CONFIG,
            Self::Database { source, .. } => source.exit_code(),
        }
    }

    /// What a person may do about it, where there is something.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Keep { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("make room there, or name another folder: `cacheDir`, MER_CACHE_DIR".to_owned())
            }
            Self::Keep { .. } | Self::NoText { .. } => {
                Some("name another folder: `cacheDir`, MER_CACHE_DIR".to_owned())
            }
            Self::Database { source, .. } => source.hint(),
            Self::Elsewhere { .. } => None,
        }
    }
}
