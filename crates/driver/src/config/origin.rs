//! The origin of a setting's value.

use std::{fmt, path::PathBuf};

use mer_service::registry_file::Position;

/// The origin of a setting's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The default.
    Default,
    /// A settings file.
    File(Position),
    /// A variable in a `.env` file.
    DotEnv {
        /// The file.
        file: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// Name of the variable.
        variable: String,
    },
    /// An environment variable.
    Variable(String),
    /// A flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(place) => write!(f, "{}:{}", place.file.display(), place.line),
            Self::DotEnv { file, line, variable } => write!(f, "{}:{line} {variable}", file.display()),
            Self::Variable(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}
