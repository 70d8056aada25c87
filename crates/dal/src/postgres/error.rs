//! What the server's errors mean to MER.

use std::io;

use sqlx::{Error, postgres::PgDatabaseError};

use crate::BoxError;

/// What is to be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Another writer was first: the whole transaction is to be run again.
    Conflict,
    /// The connection is gone.
    Lost,
    /// The server is there, but takes no connection yet.
    NotReady,
    /// The statement was stopped by its bound.
    Late,
    /// Another transaction held a lock for longer than the wait.
    Locked,
    /// The server is short of memory, or of something else that is there again soon.
    Short,
    /// The user is not let in.
    Refused,
    /// The user may not do this.
    Rights,
    /// There is no such table or column.
    NoSchema,
    /// There is no such database.
    NoDatabase,
    /// It is the values that the statement carries.
    Value,
    /// It may be the values: a function or a trigger of the database's owner refused them.
    PerhapsValue,
    /// Anything else.
    Other,
}

/// The meaning of each SQLSTATE that has one, and of whole classes, by their first two characters. A code stands before its
/// class.
const MEANINGS: &[(&str, Meaning)] = &[
    ("40001", Meaning::Conflict), // serialization failure
    ("40P01", Meaning::Conflict), // deadlock
    ("57P01", Meaning::Lost),     // ended by an administrator
    ("57P02", Meaning::Lost),     // ended by a crash of another connection
    ("57P05", Meaning::Lost),     // idle for too long
    ("25P03", Meaning::Lost),     // idle in a transaction for too long
    ("08", Meaning::Lost),        // connection exceptions
    ("57P03", Meaning::NotReady), // starting up or shutting down
    ("53300", Meaning::NotReady), // too many connections
    ("57014", Meaning::Late),     // statement_timeout, or cancelled
    ("25P04", Meaning::Late),     // transaction_timeout
    ("55P03", Meaning::Locked),   // lock_timeout, NOWAIT
    ("55006", Meaning::Locked),   // in use by another session
    ("53100", Meaning::Other),    // the disk is full: nothing that passes by itself
    ("53", Meaning::Short),       // memory and other limits
    ("28", Meaning::Refused),     // authentication
    ("42501", Meaning::Rights),
    ("42P01", Meaning::NoSchema), // no such table
    ("42703", Meaning::NoSchema), // no such column
    ("3F000", Meaning::NoSchema), // no such schema
    ("3D000", Meaning::NoDatabase),
    ("57P04", Meaning::NoDatabase), // it was dropped
    ("22", Meaning::Value),         // data exceptions, such as a letter that the database's encoding does not have
    ("23", Meaning::Value),         // constraints
    ("44", Meaning::Value),         // a check of a view
    ("54", Meaning::Value),         // an entry of an index that would be too long
    ("P0", Meaning::PerhapsValue),  // raised by a function
    ("38", Meaning::PerhapsValue),  // raised by a function in another language
];

/// Reads the SQLSTATE, or what sqlx says where no server said anything.
pub(super) fn meaning(error: &Error) -> Meaning {
    match error {
        Error::Io(_) | Error::PoolClosed | Error::WorkerCrashed => Meaning::Lost,
        Error::Database(_) => of_code(code(error)),
        Error::Encode(_) => Meaning::Value,
        _ => Meaning::Other,
    }
}

fn of_code(code: &str) -> Meaning {
    MEANINGS.iter().find(|(known, _)| code.starts_with(known)).map_or(Meaning::Other, |(_, meaning)| *meaning)
}

/// The SQLSTATE; empty where the error is not the server's.
pub(super) fn code(error: &Error) -> &str {
    server_error(error).map_or("", PgDatabaseError::code)
}

pub(super) fn server_error(error: &Error) -> Option<&PgDatabaseError> {
    error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
}

/// Whether nobody listens there, as while a server is started again.
pub(super) fn is_refused_connection(error: &Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, NotFound, UnexpectedEof};
    // NotFound: the socket file of a server that is not there.
    let kinds = [ConnectionRefused, ConnectionReset, ConnectionAborted, UnexpectedEof, NotFound];
    matches!(error, Error::Io(error) if kinds.contains(&error.kind()))
}

/// The server's own words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Words(String);

/// The error without what sqlx says around it, so that no line of a chain of causes repeats another.
pub(super) fn boxed(error: Error) -> BoxError {
    if let Some(server) = server_error(&error) {
        let mut text = server.message().to_owned();
        for more in [server.detail(), server.hint()].into_iter().flatten() {
            text += "; ";
            text += more;
        }
        return Words(format!("{text} ({})", server.code())).into();
    }
    match error {
        Error::Io(error) => error.into(),
        Error::Tls(error) | Error::Configuration(error) | Error::Encode(error) | Error::Decode(error) => error,
        other => Words(other.to_string()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sqlstate_has_the_meaning_of_its_code_or_class() {
        for (codes, expected) in [
            ("40001 40P01", Meaning::Conflict),
            ("57P01 57P02 57P05 25P03 08000 08001 08003 08004 08006 08P01", Meaning::Lost),
            ("57P03 53300", Meaning::NotReady),
            ("57014 25P04", Meaning::Late),
            ("55P03 55006", Meaning::Locked),
            ("53000 53200 53400", Meaning::Short),
            ("28000 28P01", Meaning::Refused),
            ("42501", Meaning::Rights),
            ("42P01 42703 3F000", Meaning::NoSchema),
            ("3D000 57P04", Meaning::NoDatabase),
            ("22021 22001 23505 23514 44000 54000", Meaning::Value),
            ("P0001 38000", Meaning::PerhapsValue),
            ("53100 25006 42601 XX000 0A000 58030", Meaning::Other),
            ("", Meaning::Other),
        ] {
            for code in codes.split(' ') {
                assert_eq!(of_code(code), expected, "{code}");
            }
        }
        // Nothing that stands behind its class is ever found.
        for (place, (known, _)) in MEANINGS.iter().enumerate() {
            let first = MEANINGS.iter().position(|(earlier, _)| known.starts_with(earlier));
            assert_eq!(first, Some(place), "{known}");
        }
    }
}
