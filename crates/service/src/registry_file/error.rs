//! Why a registry file cannot be read, applied or written.

use mer_core::{Classified, FailureKind, RegistryError};
use thiserror::Error;

use super::position::Position;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a registry file cannot be read, applied or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegistryFileError {
    /// The text is not TOML.
    #[error("{position}: this is not valid TOML")]
    Syntax {
        /// Where.
        position: Position,
        /// What the parser says.
        source: BoxError,
        /// Whether the text looks like an export of a whole database, which is JSON.
        is_export: bool,
    },
    /// There is no such key.
    #[error("{position}: unknown key `{key}`{}", of(object))]
    UnknownKey {
        /// Where.
        position: Box<Position>,
        /// The key.
        key: String,
        /// The object that it is a key of; empty for a key of the file.
        object: String,
        /// Known keys that are similar, the most similar first.
        near: Vec<String>,
        /// All known keys.
        known: Vec<String>,
    },
    /// A key has a value that it cannot have.
    #[error("{position}: `{key}` has a wrong value")]
    Value {
        /// Where.
        position: Position,
        /// The key.
        key: String,
        /// Which values it can have.
        source: BoxError,
    },
    /// The keys of an object do not fit together.
    #[error("{position}: `{name}` cannot be read")]
    Object {
        /// Where.
        position: Position,
        /// The name of the object.
        name: String,
        /// Why.
        source: BoxError,
    },
    /// The file is well-formed, and what it says is not possible.
    #[error("{}this cannot be applied", .position.as_ref().map(|position| format!("{position}: ")).unwrap_or_default())]
    Refused {
        /// Where the object stands that is wrong, if it stands in the file.
        position: Option<Position>,
        /// What is wrong.
        source: RegistryError,
    },
    /// A value has no form in TOML, which is a bug.
    #[error("the registry cannot be written as TOML")]
    Write {
        /// Which value.
        source: Option<BoxError>,
    },
}

fn of(object: &str) -> String {
    if object.is_empty() { String::new() } else { format!(" of {object}") }
}

impl Classified for RegistryFileError {
    fn failure_kind(&self) -> FailureKind {
        match self {
            Self::Write { .. } => FailureKind::Bug,
            _ => FailureKind::Config,
        }
    }
}
