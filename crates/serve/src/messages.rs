//! The words of failures, which are the caller's.

use std::fmt;

use mer_client::wire::ErrorMessage;
use mer_scheduler::Outcome;
use mer_service::ServiceError;

/// Makes hints and messages. The caller knows the flags and commands that they name.
pub trait Messages: fmt::Debug {
    /// Returns what can be done about a run that failed.
    fn hint(&self, outcome: &Outcome) -> Option<String>;

    /// Returns kind, message and hints of an error.
    fn error(&self, error: ServiceError) -> ErrorMessage;
}
