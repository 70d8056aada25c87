//! Errors of databases.

use std::{error::Error, io, path::PathBuf, time::Duration};

use mer_core::{Distrust, ExitCode, Shortage};
use thiserror::Error;

use crate::{remedy::disk_hint, script_failure::ScriptFailure};

/// The error of a database driver, without its type.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// An operation on a database failed. A message never repeats its source.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DalError {
    /// The database URL is not valid.
    #[error("`{url}` is not a database that can be used: {reason}")]
    Url {
        /// The URL, without password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A folder could not be created.
    #[error("cannot create the data folder `{path}`")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// Another user can have written to a file of the database.
    #[error("`{}` is not used: {why}", path.display())]
    Distrusted {
        /// The file or folder.
        path: PathBuf,
        /// Why it is not trusted.
        why: Distrust,
    },
    /// A lock file could not be opened, written or locked.
    #[error("cannot use the lock file `{path}`")]
    Lock {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// Another process held the database for longer than the wait.
    #[error("the database `{path}` is busy: {} has held it; waited {}", holder(*pid), seconds(*waited))]
    Busy {
        /// The database folder.
        path: PathBuf,
        /// Pid of the holder, if it is known.
        pid: Option<u32>,
        /// Duration of the wait.
        waited: Duration,
    },
    /// The folder belongs to something other than this engine.
    #[error("`{path}` is not a MER database: {reason}")]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The folder has rows of a database, but parts of the database are missing.
    #[error("the database `{path}` is incomplete: {reason}")]
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
    /// A lock file was removed or replaced while it was held.
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
        /// Error of the engine.
        source: BoxError,
    },
    /// A thread or runtime could not be started.
    #[error("cannot start the thread of the database engine")]
    Thread {
        /// Error of the system.
        source: io::Error,
    },
    /// The engine ended during an operation.
    #[error("the database engine ended while it was asked to {operation}")]
    Gone {
        /// The operation, as in `read its uid`.
        operation: &'static str,
    },
    /// The database refused an operation.
    #[error("the database could not {operation}")]
    Query {
        /// The operation, as in `read its uid`.
        operation: &'static str,
        /// Error of the engine.
        source: BoxError,
    },
    /// The database refused a value.
    #[error("the database could not {operation}")]
    Value {
        /// The operation, as in `read its uid`.
        operation: &'static str,
        /// Whether the value is certainly at fault: schema or encoding do not allow it.
        sure: bool,
        /// Error of the database.
        source: BoxError,
    },
    /// The database cannot store every text.
    #[error(
        "the database `{database}` has the encoding {encoding}, and the log needs UTF8: it holds what models write"
    )]
    Encoding {
        /// Its URL.
        database: String,
        /// Name of the encoding.
        encoding: String,
    },
    /// Other writers were first at every attempt.
    #[error("the database could not {operation}: other writers were first {tries} times")]
    Conflict {
        /// The operation, as in `read its uid`.
        operation: &'static str,
        /// Number of attempts.
        tries: u32,
        /// Error of the engine on the last attempt.
        source: BoxError,
    },
    /// No connection to the server.
    #[error("cannot reach the database `{database}`")]
    Unreachable {
        /// Its URL.
        database: String,
        /// Error of the system, or of the server.
        source: BoxError,
    },
    /// The connection was lost during an operation, and again when it was repeated.
    #[error("the connection to the database `{database}` was lost while it was to {operation}")]
    Lost {
        /// The operation, as in `read its uid`.
        operation: &'static str,
        /// Its URL.
        database: String,
        /// Error of the system, or of the server.
        source: BoxError,
    },
    /// The server did not answer in time.
    #[error("the database `{database}` did not {operation} within {}", seconds(*waited))]
    Late {
        /// The operation, as in `read its uid`.
        operation: &'static str,
        /// Its URL.
        database: String,
        /// The bound.
        waited: Duration,
    },
    /// Another session of the server held a lock for longer than the wait.
    #[error(
        "the database `{database}` could not {operation}: {} holds a lock that this needs; waited {}",
        holder.as_deref().unwrap_or("another session"), seconds(*waited)
    )]
    Locked {
        /// The operation, as in `read its uid`.
        operation: &'static str,
        /// Its URL.
        database: String,
        /// The session, if it was found out.
        holder: Option<String>,
        /// Duration of the wait.
        waited: Duration,
    },
    /// The server is running and accepts no connections.
    #[error("the database `{database}` accepts no connections now; waited {}", seconds(*waited))]
    NotReady {
        /// Its URL.
        database: String,
        /// Duration of the wait.
        waited: Duration,
        /// Error of the server.
        source: BoxError,
    },
    /// The server lacks a resource that is available again soon, such as memory.
    #[error("the database `{database}` is short of what it needs to {operation}")]
    Short {
        /// The operation, as in `read its uid`.
        operation: &'static str,
        /// Its URL.
        database: String,
        /// Error of the server.
        source: BoxError,
    },
    /// The server does not let this user sign in.
    #[error("the database `{database}` does not let the user `{user}` in")]
    Refused {
        /// Its URL.
        database: String,
        /// The database user.
        user: String,
        /// Error of the server.
        source: BoxError,
    },
    /// The user lacks the right to do this.
    #[error("the user `{user}` of the database `{database}` may not {operation}")]
    Rights {
        /// The operation, as in `read its uid`.
        operation: &'static str,
        /// Its URL.
        database: String,
        /// The database user.
        user: String,
        /// Error of the server, which names the table.
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
    /// The server is older than the oldest supported version.
    #[error("the server of `{database}` has version {found}; MER needs {least} or newer")]
    TooOld {
        /// Its URL.
        database: String,
        /// The server's version.
        found: String,
        /// The oldest supported version.
        least: &'static str,
    },
    /// Another process migrated the database for longer than the wait.
    #[error("the database `{database}` is being migrated by {holder}; waited {}", seconds(*waited))]
    Migrating {
        /// Its URL.
        database: String,
        /// The process, as far as it is known.
        holder: String,
        /// Duration of the wait.
        waited: Duration,
    },
    /// A row does not have the shape that MER writes.
    #[error("a row of `{table}` cannot be read: {reason}")]
    Row {
        /// The table.
        table: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// An object was changed after the caller read it.
    #[error("the {object} `{name}` was changed meanwhile by another process")]
    Changed {
        /// `server` or `model`.
        object: &'static str,
        /// Its name.
        name: String,
    },
    /// A model with weights cannot be removed or replaced by another.
    #[error("the model `{model}` has weights")]
    HasWeights {
        /// The model.
        model: String,
    },
    /// The database has no schema yet.
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
    /// The engine did not release its files.
    #[error("the database engine did not close `{path}` within {}", seconds(*waited))]
    Close {
        /// The database folder.
        path: PathBuf,
        /// Duration of the wait.
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
    /// A version cannot be removed while it is in use.
    #[error("version {version} of the weights of `{model}` is in use: {why}")]
    VersionInUse {
        /// The model.
        model: String,
        /// The version.
        version: u64,
        /// What uses it.
        why: String,
    },
    /// The number of a restored version belongs to another version.
    #[error("`{model}` already has a version {version} of its weights, with other bytes")]
    OtherVersion {
        /// The model.
        model: String,
        /// The version.
        version: u64,
    },
    /// Weights do not have the declared layout.
    #[error("the weights for `{model}` cannot be stored")]
    Invalid {
        /// The model.
        model: String,
        /// The field, and what is wrong with it.
        source: mer_core::Invalid,
    },
    /// An upload was deleted before it was complete.
    #[error("the upload of weights for `{model}` was deleted, because it was idle for too long")]
    UploadGone {
        /// The model.
        model: String,
    },
    /// A model was removed while its weights were uploaded.
    #[error("the model `{model}` was removed while its weights were uploaded")]
    ModelGone {
        /// The model.
        model: String,
    },
    /// Weights would fill the disk that the embedded database needs.
    #[error(
        "the disk of `{folder}` has {free_mib} MiB left, and uploads of weights leave 64 MiB free for the database"
    )]
    NoRoom {
        /// The database's folder.
        folder: PathBuf,
        /// Free space in MiB.
        free_mib: u64,
        /// Error of the system for a full disk.
        source: io::Error,
    },
    /// The stored bytes are not the uploaded ones.
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
        /// The error of the journal.
        #[from]
        source: crate::JournalError,
    },
}

/// Name in messages for a connection without a user.
pub(crate) const NOBODY: &str = "(nobody)";

impl DalError {
    /// Returns whether a value may be at fault, rather than the database as a whole.
    pub(crate) fn may_be_a_value(&self) -> bool {
        matches!(self, Self::Value { .. } | Self::Row { .. }) && disk_hint(self).is_none()
    }

    /// Returns whether a value is certainly at fault.
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
