//! What a server's errors mean to MER.

use surrealdb::{
    Error,
    types::{AuthError, ErrorDetails, NotAllowedError, NotFoundError, QueryError},
};

/// What is to be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorClass {
    /// The connection is gone, or what was signed in on it.
    Lost,
    /// The statement was stopped by its bound.
    Late,
    /// The user is not let in.
    Refused,
    /// The user may not do this, or is somebody else after the client library has connected again by itself.
    Rights,
    /// Anything else.
    Other,
}

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
