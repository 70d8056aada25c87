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

/// Reads the SQLSTATE, or what sqlx says where no server said anything.
pub(super) fn meaning(error: &Error) -> Meaning {
    match error {
        Error::Io(_) | Error::PoolClosed | Error::WorkerCrashed => Meaning::Lost,
        Error::Database(_) => match code(error) {
            "40001" | "40P01" => Meaning::Conflict,
            // Ended by an administrator, by a crash of another connection, idle for too long, or any of the class
            // "connection exception".
            "57P01" | "57P02" | "57P05" | "25P03" | "08000" | "08001" | "08003" | "08004" | "08006" | "08P01" => {
                Meaning::Lost
            }
            // Starting up or shutting down; too many connections.
            "57P03" | "53300" => Meaning::NotReady,
            "57014" | "55P03" => Meaning::Late,
            "28000" | "28P01" => Meaning::Refused,
            "42501" => Meaning::Rights,
            "42P01" | "42703" | "3F000" => Meaning::NoSchema,
            "3D000" => Meaning::NoDatabase,
            // Data exceptions, such as a letter that the database's encoding does not have; constraints; an entry of an
            // index that would be too long.
            code if code.starts_with("22") || code.starts_with("23") || code.starts_with("44") => Meaning::Value,
            code if code.starts_with("54") => Meaning::Value,
            code if code.starts_with("P0") || code.starts_with("38") => Meaning::PerhapsValue,
            _ => Meaning::Other,
        },
        Error::Encode(_) => Meaning::Value,
        _ => Meaning::Other,
    }
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
