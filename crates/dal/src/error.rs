//! What can go wrong between MER and its databases.

use std::{error::Error, io, path::PathBuf, time::Duration};

use mer_core::{Distrust, ExitCode, Shortage};
use thiserror::Error;

use crate::{remedy::disk_hint, script_failure::ScriptFailure};

/// The error of a database driver, with its type left behind.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// An operation on a database that failed. A message never repeats its source.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DalError {
    /// The database URL is none.
    #[error("`{url}` is no database that can be used: {reason}")]
    Url {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A folder could not be made.
    #[error("cannot create the data folder `{path}`")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// Another user can have written to what belongs to the database.
    #[error("`{}` is not used: {why}", path.display())]
    Distrusted {
        /// The file or folder.
        path: PathBuf,
        /// Which one.
        why: Distrust,
    },
    /// A lock file could not be opened, written or locked.
    #[error("cannot use the lock file `{path}`")]
    Lock {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// Another process held the database for longer than the wait.
    #[error("the database `{path}` is busy: {} has held it; waited {}", holder(*pid), seconds(*waited))]
    Busy {
        /// The database folder.
        path: PathBuf,
        /// The process that holds it, where it is known.
        pid: Option<u32>,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The folder holds something that is no database of this engine.
    #[error("`{path}` is no MER database: {reason}")]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The folder has rows of a database, and not what belongs to them.
    #[error("the database `{path}` is not whole: {reason}")]
    Incomplete {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// The engine took too long to open the database.
    #[error("the database `{path}` did not open within {}", seconds(*waited))]
    Opening {
        /// The folder.
        path: PathBuf,
        /// The bound.
        waited: Duration,
    },
    /// A lock was taken away while it was held.
    #[error("`{path}` was removed or replaced while the database was in use: what was written may be lost")]
    LockGone {
        /// The file or folder.
        path: PathBuf,
    },
    /// The engine could not open the database.
    #[error("cannot open the database `{database}`")]
    Open {
        /// Its URL.
        database: String,
        /// The engine's word.
        source: BoxError,
    },
    /// A thread or runtime could not be started.
    #[error("cannot start the thread of the database engine")]
    Thread {
        /// The system's word.
        source: io::Error,
    },
    /// The engine ended under an operation.
    #[error("the database engine ended while it was asked to {operation}")]
    Gone {
        /// What was asked for.
        operation: &'static str,
    },
    /// The database refused an operation.
    #[error("the database could not {operation}")]
    Query {
        /// What was asked for.
        operation: &'static str,
        /// The engine's word.
        source: BoxError,
    },
    /// The database does not take a value.
    #[error("the database could not {operation}")]
    Value {
        /// What was asked for.
        operation: &'static str,
        /// Whether it is surely the value: the schema or the encoding has no place for it.
        sure: bool,
        /// The database's word.
        source: BoxError,
    },
    /// The database cannot hold every text.
    #[error(
        "the database `{database}` has the encoding {encoding}, and the log needs UTF8: it holds what models write"
    )]
    Encoding {
        /// Its URL.
        database: String,
        /// What the server calls it.
        encoding: String,
    },
    /// Other writers won every try.
    #[error("the database could not {operation}: other writers were first {tries} times")]
    Conflict {
        /// What was asked for.
        operation: &'static str,
        /// How often it was tried.
        tries: u32,
        /// The engine's word on the last try.
        source: BoxError,
    },
    /// No connection to the server.
    #[error("cannot reach the database `{database}`")]
    Unreachable {
        /// Its URL.
        database: String,
        /// The system's word, or the server's.
        source: BoxError,
    },
    /// The connection was lost under an operation, and again when it was repeated.
    #[error("the connection to the database `{database}` was lost while it was to {operation}")]
    Lost {
        /// What was asked for.
        operation: &'static str,
        /// Its URL.
        database: String,
        /// The system's word, or the server's.
        source: BoxError,
    },
    /// The server took long for its answer.
    #[error("the database `{database}` did not {operation} within {}", seconds(*waited))]
    Late {
        /// What was asked for.
        operation: &'static str,
        /// Its URL.
        database: String,
        /// The bound.
        waited: Duration,
    },
    /// Another session of the server held a lock for longer than the wait.
    #[error(
        "the database `{database}` could not {operation}: {} has locked what that needs; waited {}",
        holder.as_deref().unwrap_or("another session"), seconds(*waited)
    )]
    Locked {
        /// What was asked for.
        operation: &'static str,
        /// Its URL.
        database: String,
        /// Which session, where it was found out.
        holder: Option<String>,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The server is there and takes no connection.
    #[error("the database `{database}` takes no connection now; waited {}", seconds(*waited))]
    NotReady {
        /// Its URL.
        database: String,
        /// How long it was waited for.
        waited: Duration,
        /// The server's word.
        source: BoxError,
    },
    /// The server is short of something that is there again soon, such as memory.
    #[error("the database `{database}` is short of what it needs to {operation}")]
    Short {
        /// What was asked for.
        operation: &'static str,
        /// Its URL.
        database: String,
        /// The server's word.
        source: BoxError,
    },
    /// The server does not let this user in.
    #[error("the database `{database}` does not let the user `{user}` in")]
    Refused {
        /// Its URL.
        database: String,
        /// The database user.
        user: String,
        /// The server's word.
        source: BoxError,
    },
    /// The user may not do this.
    #[error("the user `{user}` of the database `{database}` may not {operation}")]
    Rights {
        /// What was asked for.
        operation: &'static str,
        /// Its URL.
        database: String,
        /// The database user.
        user: String,
        /// The server's word: it names the table.
        source: BoxError,
    },
    /// The server has no database of this name.
    #[error("the server has no database `{name}` (`{database}`)")]
    NoDatabase {
        /// The name.
        name: String,
        /// Its URL.
        database: String,
    },
    /// The server is older than what MER is made for.
    #[error("the server of `{database}` has version {found}; MER needs {least} or newer")]
    TooOld {
        /// Its URL.
        database: String,
        /// The server's version.
        found: String,
        /// The oldest that is supported.
        least: &'static str,
    },
    /// Somebody else migrated the database for longer than the wait.
    #[error("the database `{database}` is being migrated by {holder}; waited {}", seconds(*waited))]
    Migrating {
        /// Its URL.
        database: String,
        /// Who, as far as it is known.
        holder: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// A row is not what MER writes.
    #[error("a row of `{table}` cannot be read: {reason}")]
    Row {
        /// The table.
        table: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// An object is not any more what the change was made for.
    #[error("somebody else has changed the {object} `{name}` meanwhile")]
    Changed {
        /// `server` or `model`.
        object: &'static str,
        /// Its name.
        name: String,
    },
    /// A model that has weights cannot go, nor give its place to another.
    #[error("the model `{model}` has weights")]
    HasWeights {
        /// The model.
        model: String,
    },
    /// The schema is not there (yet).
    #[error("the database `{database}` has no MER schema")]
    NoSchema {
        /// Its URL.
        database: String,
    },
    /// A migration script failed; nothing of it was kept.
    #[error("the script `{script}` failed{failure}")]
    Script {
        /// File name of the script.
        script: String,
        /// Where it failed.
        failure: Box<ScriptFailure>,
        /// The database's own message.
        source: BoxError,
    },
    /// A migration script ran, and its row could not be written.
    #[error(
        "the script `{script}` ran, and its row in `Migrations` could not be written: {}",
        if *kept { "what it did is kept, and it is run again the next time" } else { "nothing of it is kept" }
    )]
    ScriptRow {
        /// File name of the script.
        script: String,
        /// Whether what the script did is kept, because it ran outside of a transaction.
        kept: bool,
        /// The database's own message.
        source: BoxError,
    },
    /// The engine did not let go of its files.
    #[error("the database engine did not close `{path}` within {}", seconds(*waited))]
    Close {
        /// The database folder.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// A model has no such version of its weights.
    #[error("there is no version {version} of the weights of `{model}`")]
    NoVersion {
        /// The model.
        model: String,
        /// The version that was asked for.
        version: u64,
    },
    /// A model's weights have no such alias.
    #[error("the weights of `{model}` have no alias `{alias}`")]
    NoAlias {
        /// The model.
        model: String,
        /// The alias that was asked for.
        alias: String,
    },
    /// A version cannot be removed as long as it is used.
    #[error("version {version} of the weights of `{model}` is in use: {why}")]
    VersionInUse {
        /// The model.
        model: String,
        /// The version.
        version: u64,
        /// By whom.
        why: String,
    },
    /// A number that a version of another database has belongs to another one here.
    #[error("`{model}` has a version {version} of its weights already, and its bytes are others")]
    OtherVersion {
        /// The model.
        model: String,
        /// The version.
        version: u64,
    },
    /// Weights that no version can be.
    #[error("the weights for `{model}` cannot be kept")]
    Invalid {
        /// The model.
        model: String,
        /// The field, and what is wrong with it.
        source: mer_core::Invalid,
    },
    /// An upload was cleared away in the middle.
    #[error("the weights for `{model}` were cleared away while they came in, because they were silent for too long")]
    UploadGone {
        /// The model.
        model: String,
    },
    /// A model was removed while its weights came in.
    #[error("the model `{model}` was removed while its weights came in")]
    ModelGone {
        /// The model.
        model: String,
    },
    /// Weights would take the room that the embedded database needs itself.
    #[error("the disk of `{folder}` has {free_mib} MiB left, and weights leave the last 64 to the database")]
    NoRoom {
        /// The database's folder.
        folder: PathBuf,
        /// What is left, in MiB.
        free_mib: u64,
        /// What a full disk is called.
        source: io::Error,
    },
    /// What the database has is not what was put.
    #[error("version {version} of the weights of `{model}` is damaged: {what}")]
    Damaged {
        /// The model.
        model: String,
        /// The version.
        version: u64,
        /// What is wrong.
        what: String,
    },
    /// The journal failed while it was drained.
    #[error("cannot drain the journal")]
    Journal {
        /// Which file, and why.
        #[from]
        source: crate::JournalError,
    },
}

/// How a user is called where there is none.
pub(crate) const NOBODY: &str = "(nobody)";

impl DalError {
    /// Whether it may be that a row has what the database does not take, and not that nothing can be written.
    pub(crate) fn may_be_a_value(&self) -> bool {
        matches!(self, Self::Value { .. } | Self::Row { .. }) && disk_hint(self).is_none()
    }

    /// Whether that is certain.
    pub(crate) fn is_a_value(&self) -> bool {
        matches!(self, Self::Value { sure: true, .. } | Self::Row { .. })
    }

    /// The exit code of a command that ends with this error.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        // Nothing is wrong with what was asked for, or with the database, where this machine was short of something.
        if let Some(shortage) = Shortage::of(self) {
            return shortage.exit_code();
        }
        match self {
            // Nothing is wrong with the script where the disk is full.
            Self::Script { .. } if disk_hint(self).is_some() => ExitCode::IO,
            Self::Script { failure, .. } if failure.may_pass => ExitCode::BUSY,
            Self::Busy { .. }
            | Self::Changed { .. }
            | Self::Conflict { .. }
            | Self::Migrating { .. }
            | Self::Late { .. }
            | Self::Locked { .. }
            | Self::NotReady { .. }
            | Self::Short { .. } => ExitCode::BUSY,
            Self::Invalid { .. } => ExitCode::INPUT,
            Self::Distrusted { .. }
            | Self::Refused { .. }
            | Self::Rights { .. }
            | Self::VersionInUse { .. }
            | Self::HasWeights { .. } => ExitCode::REFUSED,
            Self::NoVersion { .. } | Self::NoAlias { .. } | Self::ModelGone { .. } => ExitCode::NOT_FOUND,
            Self::Url { .. }
            | Self::Foreign { .. }
            | Self::OtherVersion { .. }
            | Self::NoSchema { .. }
            | Self::NoDatabase { .. }
            | Self::TooOld { .. }
            | Self::Encoding { .. }
            | Self::Script { .. }
            | Self::ScriptRow { .. } => ExitCode::CONFIG,
            _ => ExitCode::IO,
        }
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

fn seconds(waited: Duration) -> String {
    format!("{:.1} s", waited.as_secs_f64())
}
