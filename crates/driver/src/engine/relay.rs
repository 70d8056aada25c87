//! Failures that come from the resident, as errors of a command.

use mer_client::{ClientError, wire::ErrorMessage};
use mer_core::Classified as _;
use uuid::Uuid;

use crate::errors::CliError;

/// Returns a failure of the resident as if it had happened here.
pub(crate) fn from_resident(error: ClientError) -> CliError {
    match error {
        ClientError::Refused(message) => refused(message),
        ClientError::NoResident => CliError::classified(error).hint("`mer serve` starts one"),
        error => CliError::classified(error),
    }
}

/// Returns the failure that the resident has described.
pub(super) fn refused(message: ErrorMessage) -> CliError {
    let ErrorMessage { kind, message, hints } = message;
    hints.into_iter().fold(CliError::new(kind, message), CliError::hint)
}

/// Returns the failure of a run whose resident ended in the middle.
pub(super) fn lost(model: &str, request_uid: Uuid, error: ClientError) -> CliError {
    match error {
        ClientError::Refused(message) => refused(message),
        error @ ClientError::Silent => CliError::classified(error)
            .about(&format!("`{model}` is given up"))
            .hint("the resident ends the run as soon as it goes on; if it is killed, the model ends too")
            .hint(format!("`mer log show {request_uid}` has how the run ended, once it has")),
        error @ ClientError::Declined(_) => {
            CliError::classified(error).about(&format!("`{model}`")).hint("`--no-serve` connects from here")
        }
        error => CliError::of(error.failure_kind(), error)
            .about(&format!("`{model}`"))
            .hint("how the run ended is not known; `--retries 1` runs it once more in such a case"),
    }
}
