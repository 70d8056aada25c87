//! Failures of the service as failures of a command.

use mer_core::FailureKind;
use mer_service::ServiceError;

use super::cli_error::{CliError, similar_names};

impl From<ServiceError> for CliError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Dal(error) => error.into(),
            ServiceError::Migration(error) => error.into(),
            ServiceError::Scheduler(error) => error.into(),
            ServiceError::Weights(error) => error.into(),
            ServiceError::UnknownObject { object, ref near, .. } => {
                let hint = similar_names(near).unwrap_or_else(|| format!("`mer {object} list` shows all there are"));
                Self::of(FailureKind::NotFound, error).hint(hint)
            }
            other => Self::of(FailureKind::Bug, other),
        }
    }
}
