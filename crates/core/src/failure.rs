//! The kinds of failure: one list for every crate.
//!
//! A library says which kind an error is of, and nothing about how a program reports it. The command line turns a kind into
//! an exit code and hints; a server can turn the same kind into an HTTP status. The status that fits is named at each kind.

use std::error::Error;

use serde::{Deserialize, Serialize};

/// The kind of a failure: whose fault it is, and whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FailureKind {
    /// The model failed: it exited with a code other than 0, or died by a signal. HTTP: 502.
    ModelFailed,
    /// The request is malformed, or asks for something that is never possible. HTTP: 400.
    Usage,
    /// The input was rejected: the model's protocol cannot carry it, or the data is not what it claims to be. HTTP: 422.
    Input,
    /// The model, server, version, alias or run does not exist. HTTP: 404.
    NotFound,
    /// A host cannot be reached. Trying again later may help. HTTP: 502.
    Unreachable,
    /// A bug in MER. HTTP: 500.
    Bug,
    /// The database, the network in the middle of an operation, or reading and writing of files failed. HTTP: 500.
    Io,
    /// A lock, a full queue, a conflict with another writer, or a resource that this machine is short of. The same request
    /// may succeed a moment later. HTTP: 503.
    Busy,
    /// The model broke its protocol. HTTP: 502.
    Protocol,
    /// Refused: authentication, a host key, file ownership, or a change that is not allowed. HTTP: 403.
    Refused,
    /// The settings, the registry or the schema of the database are wrong. HTTP: 500.
    Config,
    /// A time limit of the request was exceeded. HTTP: 504.
    Timeout,
    /// The request was cancelled by its sender or by a signal. HTTP: 499.
    Cancelled,
    /// The reader of the output went away before it had all of it. HTTP: none, as the connection is closed.
    ReaderGone,
}

/// An error whose kind is known.
pub trait Classified: Error {
    /// Returns the kind of this failure.
    fn failure_kind(&self) -> FailureKind;
}
