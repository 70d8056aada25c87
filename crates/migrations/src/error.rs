//! Errors of migrations.

use std::{io, path::PathBuf};

use mer_core::{Classified, FailureKind, Shortage};
use mer_dal::DalError;
use thiserror::Error;

/// A database is not at this binary's version, or cannot be migrated to it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// A newer MER has migrated the database.
    #[error(
        "the database is newer than this MER: it has script {number:02} `{name}` (applied by MER {by}), and this binary \
         ends at {last:02}"
    )]
    Newer {
        /// Number of the last script in the database.
        number: u32,
        /// Its name.
        name: String,
        /// The version of MER that applied it.
        by: String,
        /// Number of the last script in the binary.
        last: u32,
    },
    /// The database has a script that is neither the newest nor known to this binary.
    #[error("the database has script {number:02} `{name}`, which this MER does not know")]
    Missing {
        /// Its number.
        number: u32,
        /// Its name.
        name: String,
    },
    /// The database has an own script that the given folder lacks.
    #[error("the database has the own script {number:02} `{name}`, and the folder does not")]
    OwnMissing {
        /// Its number.
        number: u32,
        /// Its name.
        name: String,
    },
    /// A script differs from the one that was applied to the database.
    #[error("script {number:02} `{name}` is not the one that was applied to the database")]
    Changed {
        /// Its number.
        number: u32,
        /// Its name.
        name: String,
    },
    /// Scripts are pending, and this command may not apply them.
    #[error("the database's schema is not at this version: {count} scripts are to be applied, from {first:02} on")]
    Pending {
        /// Number of pending scripts.
        count: usize,
        /// Number of the first.
        first: u32,
    },
    /// No script has this number.
    #[error("there is no script {number:02}")]
    NoScript {
        /// The number.
        number: u32,
    },
    /// A baseline was asked for in a database without any of the tables.
    #[error("the database has none of the tables yet, and a baseline does not create them")]
    Bare,
    /// The database was changed by another process after the plan was shown.
    #[error("the database has changed since it was shown")]
    Moved,
    /// A folder of the organisation's scripts, or a file in it, cannot be read.
    #[error("cannot read `{path}`")]
    Folder {
        /// The folder or the file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The organisation's scripts break the rules.
    #[error("the scripts in `{path}` cannot be used: {}", problems.join("; "))]
    Rules {
        /// The folder.
        path: PathBuf,
        /// The broken rules.
        problems: Vec<String>,
    },
    /// An operation on the database failed.
    #[error(transparent)]
    Database(#[from] DalError),
}

impl Classified for MigrationError {
    fn failure_kind(&self) -> FailureKind {
        if let Some(shortage) = Shortage::of(self) {
            return shortage.failure_kind();
        }
        match self {
            Self::Database(error) => error.failure_kind(),
            Self::NoScript { .. } => FailureKind::Usage,
            Self::Folder { .. } => FailureKind::Io,
            Self::Moved => FailureKind::Busy,
            _ => FailureKind::Config,
        }
    }
}
