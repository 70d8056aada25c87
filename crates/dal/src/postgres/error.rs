//! What the errors of PostgreSQL mean for MER.

use std::io;

use sqlx::{Error, postgres::PgDatabaseError};

use crate::BoxError;

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorClass {
    /// Another writer was first: repeat the whole transaction.
    Conflict,
    /// The connection was lost.
    Lost,
    /// The server is running, but does not accept connections yet.
    NotReady,
    /// The statement exceeded its time limit.
    Late,
    /// Another transaction held a lock for longer than the wait.
    Locked,
    /// The server lacks memory or another resource that is available again soon.
    Short,
    /// The server does not let the user sign in.
    Refused,
    /// The user lacks the right.
    Rights,
    /// There is no such table or column.
    NoSchema,
    /// There is no such database.
    NoDatabase,
    /// The server refused a value of the statement.
    Value,
    /// The server may have refused a value: a function or trigger of the database's owner raised the error.
    PerhapsValue,
    /// Any other error.
    Other,
}

/// The class of each SQLSTATE, and of whole SQLSTATE classes by their first two characters. A code precedes its class.
const CLASSES: &[(&str, ErrorClass)] = &[
    ("40001", ErrorClass::Conflict), // serialization failure
    ("40P01", ErrorClass::Conflict), // deadlock
    ("57P01", ErrorClass::Lost),     // ended by an administrator
    ("57P02", ErrorClass::Lost),     // ended by a crash of another connection
    ("57P05", ErrorClass::Lost),     // idle for too long
    ("25P03", ErrorClass::Lost),     // idle in a transaction for too long
    ("08", ErrorClass::Lost),        // connection exceptions
    ("57P03", ErrorClass::NotReady), // starting up or shutting down
    ("53300", ErrorClass::NotReady), // too many connections
    ("57014", ErrorClass::Late),     // statement_timeout, or cancelled
    ("25P04", ErrorClass::Late),     // transaction_timeout
    ("55P03", ErrorClass::Locked),   // lock_timeout, NOWAIT
    ("55006", ErrorClass::Locked),   // in use by another session
    ("53100", ErrorClass::Other),    // the disk is full: nothing that passes by itself
    ("53", ErrorClass::Short),       // memory and other limits
    ("28", ErrorClass::Refused),     // authentication
    ("42501", ErrorClass::Rights),
    ("42P01", ErrorClass::NoSchema), // no such table
    ("42703", ErrorClass::NoSchema), // no such column
    ("3F000", ErrorClass::NoSchema), // no such schema
    ("3D000", ErrorClass::NoDatabase),
    ("57P04", ErrorClass::NoDatabase), // it was dropped
    ("22", ErrorClass::Value),         // data exceptions, such as a letter that the database's encoding does not have
    ("23", ErrorClass::Value),         // constraints
    ("44", ErrorClass::Value),         // a check of a view
    ("54", ErrorClass::Value),         // an entry of an index that would be too long
    ("P0", ErrorClass::PerhapsValue),  // raised by a function
    ("38", ErrorClass::PerhapsValue),  // raised by a function in another language
];

/// Classifies an error by its SQLSTATE, or by the error of sqlx if it is not the server's.
pub(super) fn classify(error: &Error) -> ErrorClass {
    match error {
        Error::Io(_) | Error::PoolClosed | Error::WorkerCrashed => ErrorClass::Lost,
        Error::Database(_) => classify_sqlstate(sqlstate(error)),
        Error::Encode(_) => ErrorClass::Value,
        _ => ErrorClass::Other,
    }
}

fn classify_sqlstate(sqlstate: &str) -> ErrorClass {
    CLASSES.iter().find(|(known, _)| sqlstate.starts_with(known)).map_or(ErrorClass::Other, |(_, class)| *class)
}

/// Returns the SQLSTATE; empty if the error is not the server's.
pub(super) fn sqlstate(error: &Error) -> &str {
    server_error(error).map_or("", PgDatabaseError::code)
}

pub(super) fn server_error(error: &Error) -> Option<&PgDatabaseError> {
    error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
}

/// Returns whether no server listens there, as while a server restarts.
pub(super) fn is_refused_connection(error: &Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, NotFound, UnexpectedEof};
    // NotFound: the socket file of a server that is not running.
    let kinds = [ConnectionRefused, ConnectionReset, ConnectionAborted, UnexpectedEof, NotFound];
    matches!(error, Error::Io(error) if kinds.contains(&error.kind()))
}

/// Message of the server.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Message(String);

/// Returns the error without the text that sqlx adds, so that no line in a chain of causes repeats another.
pub(super) fn boxed(error: Error) -> BoxError {
    if let Some(server) = server_error(&error) {
        let mut text = server.message().to_owned();
        for more in [server.detail(), server.hint()].into_iter().flatten() {
            text += "; ";
            text += more;
        }
        return Message(format!("{text} ({})", server.code())).into();
    }
    match error {
        Error::Io(error) => error.into(),
        Error::Tls(error) | Error::Configuration(error) | Error::Encode(error) | Error::Decode(error) => error,
        other => Message(other.to_string()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sqlstate_has_the_meaning_of_its_code_or_class() {
        for (codes, expected) in [
            ("40001 40P01", ErrorClass::Conflict),
            ("57P01 57P02 57P05 25P03 08000 08001 08003 08004 08006 08P01", ErrorClass::Lost),
            ("57P03 53300", ErrorClass::NotReady),
            ("57014 25P04", ErrorClass::Late),
            ("55P03 55006", ErrorClass::Locked),
            ("53000 53200 53400", ErrorClass::Short),
            ("28000 28P01", ErrorClass::Refused),
            ("42501", ErrorClass::Rights),
            ("42P01 42703 3F000", ErrorClass::NoSchema),
            ("3D000 57P04", ErrorClass::NoDatabase),
            ("22021 22001 23505 23514 44000 54000", ErrorClass::Value),
            ("P0001 38000", ErrorClass::PerhapsValue),
            ("53100 25006 42601 XX000 0A000 58030", ErrorClass::Other),
            ("", ErrorClass::Other),
        ] {
            for code in codes.split(' ') {
                assert_eq!(classify_sqlstate(code), expected, "{code}");
            }
        }
        // A code behind its class would never be found.
        for (place, (known, _)) in CLASSES.iter().enumerate() {
            let first = CLASSES.iter().position(|(earlier, _)| known.starts_with(earlier));
            assert_eq!(first, Some(place), "{known}");
        }
    }
}
