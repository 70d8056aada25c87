//! The error codes of libssh2 that decide what happens next.

use std::io;

use ssh2::{Error, ErrorCode, Session};

pub(in crate::ssh) const TIMEOUT: i32 = -9;
pub(in crate::ssh) const SOCKET_SEND: i32 = -7;
pub(in crate::ssh) const SOCKET_DISCONNECT: i32 = -13;
pub(in crate::ssh) const SOCKET_RECV: i32 = -43;
/// The server refuses a method.
pub(in crate::ssh) const AUTHENTICATION_FAILED: i32 = -18;
/// A key was not accepted, for one of several reasons: see the message.
pub(in crate::ssh) const UNVERIFIED: i32 = -19;
const CHANNEL_FAILURE: i32 = -21;
const REQUEST_DENIED: i32 = -22;
const CHANNEL_UNKNOWN: i32 = -23;
const CHANNEL_CLOSED: i32 = -26;
const CHANNEL_EOF_SENT: i32 = -27;
pub(in crate::ssh) const AGAIN: i32 = -37;

/// What an error affects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ssh) enum ErrorScope {
    /// Nothing: the call is to be repeated.
    Again,
    /// This channel only.
    Channel(String),
    /// The whole session.
    Session(String),
}

pub(in crate::ssh) fn is(error: &Error, code: i32) -> bool {
    error.code() == ErrorCode::Session(code)
}

/// Whether the connection is closed or broken.
pub(in crate::ssh) fn is_gone(error: &Error) -> bool {
    [SOCKET_SEND, SOCKET_DISCONNECT, SOCKET_RECV].iter().any(|code| is(error, *code))
}

impl From<Error> for ErrorScope {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<&Error> for ErrorScope {
    fn from(error: &Error) -> Self {
        let ErrorCode::Session(code) = error.code() else { return Self::Channel(error.message().to_owned()) };
        match code {
            AGAIN => Self::Again,
            CHANNEL_FAILURE | REQUEST_DENIED | CHANNEL_UNKNOWN | CHANNEL_CLOSED | CHANNEL_EOF_SENT => {
                Self::Channel(error.message().to_owned())
            }
            _ => Self::Session(format!("{} (libssh2 {code})", error.message())),
        }
    }
}

impl ErrorScope {
    /// Evaluates a failed read or write. The code is not in the error, but the session still has it.
    pub(super) fn of_io(error: &io::Error, session: &Session) -> Self {
        if error.kind() == io::ErrorKind::WouldBlock {
            return Self::Again;
        }
        Error::last_session_error(session).map_or_else(|| Self::Session(error.to_string()), Self::from)
    }
}
