//! Failures of the built-in models.

use std::io;

/// Why a built-in model failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The standard streams failed.
    Io(io::Error),
    /// Anything else, as a message for a person.
    Message(String),
}

impl From<io::Error> for Failure {
    fn from(source: io::Error) -> Self {
        Self::Io(source)
    }
}
