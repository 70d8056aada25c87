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
        error @ (ClientError::Answer { .. } | ClientError::Unresponsive { .. } | ClientError::NoAnswer { .. }) => {
            CliError::classified(error).hint("`mer doctor` says which process and version is behind its socket")
        }
        error => CliError::classified(error),
    }
}

/// Returns the failure that the resident has described.
pub(super) fn refused(message: ErrorMessage) -> CliError {
    let ErrorMessage { kind, message, causes, hints } = message;
    let error = CliError::new(kind, message);
    let error = match Cause::chain(causes) {
        Some(cause) => error.caused_by(cause),
        None => error,
    };
    hints.into_iter().fold(error, CliError::hint)
}

/// A cause that the resident has described.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Cause {
    text: String,
    source: Option<Box<Cause>>,
}

impl Cause {
    /// Makes one error of these causes, outermost first.
    fn chain(causes: Vec<String>) -> Option<Box<Self>> {
        causes.into_iter().rfold(None, |source, text| Some(Box::new(Self { text, source })))
    }
}

/// Returns the failure of a run whose resident ended in the middle.
pub(super) fn lost(model: &str, request_uid: Uuid, error: ClientError) -> CliError {
    match error {
        ClientError::Refused(message) => refused(message),
        error @ (ClientError::Silent | ClientError::Unresponsive { .. }) => CliError::classified(error)
            .of_request(request_uid)
            .about(&format!("`{model}` is given up"))
            .hint("the resident ends the run as soon as it goes on; if it is killed, the model ends too")
            .hint(format!("`mer log show {request_uid}` has how the run ended, once it has")),
        error @ ClientError::Declined(_) => {
            CliError::classified(error).about(&format!("`{model}`")).hint("`--no-serve` connects from here")
        }
        error => CliError::of(error.failure_kind(), error)
            .of_request(request_uid)
            .about(&format!("`{model}`"))
            .hint("how the run ended is not known; `--retries 1` runs it once more in such a case"),
    }
}
