//! What the errors of SurrealDB mean for MER.

#[cfg(feature = "surreal-server")]
use surrealdb::types::{AuthError, NotAllowedError, NotFoundError};
use surrealdb::{
    Error,
    types::{ErrorDetails, QueryError},
};

/// Returns whether the error says only that the statement was not executed, and not why.
pub(super) fn is_not_executed(error: &Error) -> bool {
    matches!(error.details(), ErrorDetails::Query(Some(QueryError::NotExecuted)))
}

/// Returns whether another attempt may succeed: another writer committed first, or inserted the same row first.
pub(super) fn is_conflict(error: &Error) -> bool {
    is_race(error) || matches!(error.details(), ErrorDetails::AlreadyExists(_))
}

/// Returns whether another writer committed first.
pub(super) fn is_race(error: &Error) -> bool {
    matches!(error.details(), ErrorDetails::Query(Some(QueryError::TransactionConflict)))
        || error.message().contains("This transaction can be retried")
}

/// Returns whether a field has a value that the schema refuses. The engine says so in its message only.
pub(super) fn is_field_mismatch(error: &Error) -> bool {
    let message = error.message();
    message.starts_with("Couldn't coerce value for field") || message.contains("but field must conform to")
}

/// What to do about an error of a server.
#[cfg(feature = "surreal-server")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorClass {
    /// The connection was lost, or the session on it.
    Lost,
    /// The statement exceeded its time limit.
    Late,
    /// The server does not let the user sign in.
    Refused,
    /// The user lacks the right, or is no longer signed in because the client library connected again by itself.
    Rights,
    /// Any other error.
    Other,
}

#[cfg(feature = "surreal-server")]
pub(super) fn classify(error: &Error) -> ErrorClass {
    match error.details() {
        ErrorDetails::Connection(_) | ErrorDetails::NotFound(Some(NotFoundError::Session { .. })) => ErrorClass::Lost,
        ErrorDetails::Query(Some(QueryError::TimedOut { .. })) => ErrorClass::Late,
        ErrorDetails::NotAllowed(Some(NotAllowedError::Auth(reason))) => match reason {
            AuthError::TokenExpired | AuthError::SessionExpired => ErrorClass::Lost,
            AuthError::NotAllowed { .. } | AuthError::InvalidRole { .. } => ErrorClass::Rights,
            _ => ErrorClass::Refused,
        },
        ErrorDetails::NotAllowed(_) => ErrorClass::Rights,
        _ => ErrorClass::Other,
    }
}
