//! What a server's errors mean to MER.

use surrealdb::{
    Error,
    types::{AuthError, ErrorDetails, NotAllowedError, NotFoundError, QueryError},
};

/// What is to be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
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

pub(super) fn meaning(error: &Error) -> Meaning {
    match error.details() {
        ErrorDetails::Connection(_) | ErrorDetails::NotFound(Some(NotFoundError::Session { .. })) => Meaning::Lost,
        ErrorDetails::Query(Some(QueryError::TimedOut { .. })) => Meaning::Late,
        ErrorDetails::NotAllowed(Some(NotAllowedError::Auth(reason))) => match reason {
            AuthError::TokenExpired | AuthError::SessionExpired => Meaning::Lost,
            AuthError::NotAllowed { .. } | AuthError::InvalidRole { .. } => Meaning::Rights,
            _ => Meaning::Refused,
        },
        ErrorDetails::NotAllowed(_) => Meaning::Rights,
        _ => Meaning::Other,
    }
}
