//! Errors of migrations.

use std::{io, path::PathBuf};

use mer_core::{ExitCode, Shortage};
use mer_dal::DalError;
use thiserror::Error;

/// A database is not at this binary's version, or cannot be migrated to it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// The database has been migrated by a newer MER.
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
    /// A script differs from the one that was applied.
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
        /// How many.
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
    /// A folder of own scripts, or a file in it, cannot be read.
    #[error("cannot read `{path}`")]
    Folder {
        /// The folder or the file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// Own scripts break the rules.
    #[error("the scripts in `{path}` cannot be used: {}", problems.join("; "))]
    Rules {
        /// The folder.
        path: PathBuf,
        /// The broken rules.
        problems: Vec<String>,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DalError),
}

impl MigrationError {
    /// The exit code of a command that ends with this error.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if let Some(shortage) = Shortage::of(self) {
            return shortage.exit_code();
        }
        match self {
            Self::Database(error) => error.exit_code(),
            Self::NoScript { .. } => ExitCode::USAGE,
            Self::Folder { .. } => ExitCode::IO,
            Self::Moved => ExitCode::BUSY,
            _ => ExitCode::CONFIG,
        }
    }

    /// What a person may do about it, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Newer { .. } | Self::Missing { .. } => Some("use the MER that migrated it, or a newer one".into()),
            Self::Changed { .. } => {
                Some("`mer migrate status` lists the differences; `mer migrate repair` accepts them".into())
            }
            Self::OwnMissing { .. } => Some("name the folder that has it with `--sql-dir`".into()),
            Self::NoScript { .. } => Some("`mer migrate status` lists all there are".into()),
            Self::Moved => Some("look again".into()),
            Self::Folder { .. } | Self::Rules { .. } => None,
            Self::Bare => Some("`mer migrate` makes them".into()),
            Self::Pending { .. } => Some("run `mer migrate`".into()),
            Self::Database(error) => error.hint(),
        }
    }
}
