//! Errors of the database layer.

use std::{error::Error, io, path::PathBuf, time::Duration};

use mer_core::Distrust;
use thiserror::Error;
use uuid::Uuid;

use crate::{DiskFault, ScriptFailure};

/// An error of a database driver. Its type is erased, so that no caller depends on the driver.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A failed operation on a database. The message does not repeat the source.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DalError {
    /// The database URL cannot be used.
    #[error("`{url}` cannot be used as a database: {reason}")]
    Url {
        /// The URL, with its secrets redacted.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The path of the folder is not UTF-8, which the embedded engine needs.
    #[error("`{url}` cannot be used as a database: the engine needs a folder whose name is UTF-8, not `{folder}`")]
    FolderName {
        /// The URL, with its secrets redacted.
        url: String,
        /// The folder, with a replacement character for what is not UTF-8.
        folder: String,
    },
    /// A folder could not be created.
    #[error("cannot create the data folder `{path}`")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A file or folder of the database is not protected from other users.
    #[error("`{}` is not used: {why}", path.display())]
    Distrusted {
        /// The file or folder.
        path: PathBuf,
        /// How another user can have changed it.
        why: Distrust,
    },
    /// A lock file could not be opened, written or locked.
    #[error("cannot use the lock file `{path}`")]
    Lock {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Another process held the database for longer than the wait.
    #[error("the database `{path}` is busy: {} has held it; waited {}", holder(*pid), seconds(*waited))]
    Busy {
        /// The database folder.
        path: PathBuf,
        /// The process that holds it, if known.
        pid: Option<u32>,
        /// Time that was spent waiting.
        waited: Duration,
    },
    /// The folder holds something other than a database of this engine.
    #[error("`{path}` is not a MER database: {reason}")]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The folder has data of a database, but files that belong to it are missing.
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
        /// The error of the engine.
        source: BoxError,
    },
    /// A thread or runtime could not be started.
    #[error("cannot start the thread of the database engine")]
    Thread {
        /// The error of the system.
        source: io::Error,
    },
    /// The engine ended during an operation.
    #[error("the database engine ended while it was asked to {operation}")]
    Gone {
        /// The operation, as a verb with its object.
        operation: &'static str,
    },
    /// The database refused an operation.
    #[error("the database could not {operation}")]
    Query {
        /// The operation, as a verb with its object.
        operation: &'static str,
        /// The error of the engine.
        source: BoxError,
    },
    /// The database rejected a value.
    #[error("the database could not {operation}")]
    Value {
        /// The operation, as a verb with its object.
        operation: &'static str,
        /// Whether the value is certainly at fault: schema or encoding do not allow it.
        sure: bool,
        /// The error of the database.
        source: BoxError,
    },
    /// The encoding of the database does not cover every text.
    #[error(
        "the database `{database}` has the encoding {encoding}, and the log needs UTF8: it holds what models write"
    )]
    Encoding {
        /// Its URL.
        database: String,
        /// The encoding, as the server names it.
        encoding: String,
    },
    /// Every attempt conflicted with another writer.
    #[error("the database could not {operation}: other writers were first {tries} times")]
    Conflict {
        /// The operation, as a verb with its object.
        operation: &'static str,
        /// Number of attempts.
        tries: u32,
        /// The error of the last attempt.
        source: BoxError,
    },
    /// The server cannot be reached.
    #[error("cannot reach the database `{database}`")]
    Unreachable {
        /// Its URL.
        database: String,
        /// The error of the system or the server.
        source: BoxError,
    },
    /// The connection was lost during an operation, and again when it was repeated.
    #[error("the connection to the database `{database}` was lost before it could {operation}")]
    Lost {
        /// The operation, as a verb with its object.
        operation: &'static str,
        /// Its URL.
        database: String,
        /// The error of the system or the server.
        source: BoxError,
    },
    /// The server did not answer within the bound.
    #[error("the database `{database}` did not {operation} within {}", seconds(*waited))]
    Late {
        /// The operation, as a verb with its object.
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
        /// The operation, as a verb with its object.
        operation: &'static str,
        /// Its URL.
        database: String,
        /// The session, if known.
        holder: Option<String>,
        /// Time that was spent waiting.
        waited: Duration,
    },
    /// The server runs, but accepts no connection.
    #[error("the database `{database}` accepts no connections now; waited {}", seconds(*waited))]
    NotReady {
        /// Its URL.
        database: String,
        /// Time that was spent waiting.
        waited: Duration,
        /// The error of the server.
        source: BoxError,
    },
    /// The server is short of a resource that is free again soon, such as memory.
    #[error("the database `{database}` lacks the resources to {operation}")]
    Short {
        /// The operation, as a verb with its object.
        operation: &'static str,
        /// Its URL.
        database: String,
        /// The error of the server.
        source: BoxError,
    },
    /// The server rejected the user or the password.
    #[error("the database `{database}` does not let the user `{user}` in")]
    Refused {
        /// Its URL.
        database: String,
        /// The database user.
        user: String,
        /// The error of the server.
        source: BoxError,
    },
    /// The user lacks the right for this operation.
    #[error("the user `{user}` of the database `{database}` may not {operation}")]
    Rights {
        /// The operation, as a verb with its object.
        operation: &'static str,
        /// Its URL.
        database: String,
        /// The database user.
        user: String,
        /// The error of the server; it names the table.
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
        /// The process or session, if known.
        holder: String,
        /// Time that was spent waiting.
        waited: Duration,
    },
    /// A row has a value that MER never writes.
    #[error("a row of `{table}` cannot be read: {reason}")]
    Row {
        /// The table.
        table: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The object was changed after this change to it was prepared.
    #[error("another process has changed the {object} `{name}` meanwhile")]
    Changed {
        /// `server` or `model`.
        object: &'static str,
        /// Its name.
        name: String,
    },
    /// A model that has weights can be neither removed nor replaced.
    #[error("the model `{model}` has weights")]
    HasWeights {
        /// The model.
        model: String,
    },
    /// The database has no schema of MER, or not yet.
    #[error("the database `{database}` has no MER schema")]
    NoSchema {
        /// Its URL.
        database: String,
    },
    /// A migration script failed and was rolled back.
    #[error("the script `{script}` failed{failure}")]
    Script {
        /// File name of the script.
        script: String,
        /// Position of the failure.
        failure: Box<ScriptFailure>,
        /// The error of the database.
        source: BoxError,
    },
    /// A migration script ran, but its row in `Migrations` could not be written.
    #[error(
        "the script `{script}` ran, and its row in `Migrations` could not be written: {}",
        if *kept { "what it did is kept, and it is run again the next time" } else { "nothing of it is kept" }
    )]
    ScriptRow {
        /// File name of the script.
        script: String,
        /// Whether the changes of the script are kept, because it ran outside of a transaction.
        kept: bool,
        /// The error of the database.
        source: BoxError,
    },
    /// The engine did not close its files within the bound.
    #[error("the database engine did not close `{path}` within {}", seconds(*waited))]
    Close {
        /// The database folder.
        path: PathBuf,
        /// Time that was spent waiting.
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
    /// A version in use cannot be removed.
    #[error("version {version} of the weights of `{model}` is in use: {why}")]
    VersionInUse {
        /// The model.
        model: String,
        /// The version.
        version: u64,
        /// What uses it.
        why: String,
    },
    /// An imported version has the number of another version of this database.
    #[error("`{model}` already has a version {version} of its weights, with other bytes")]
    OtherVersion {
        /// The model.
        model: String,
        /// The version.
        version: u64,
    },
    /// The weights break a rule for versions.
    #[error("the weights for `{model}` cannot be stored")]
    Invalid {
        /// The model.
        model: String,
        /// The field, and what is wrong with it.
        source: mer_core::Invalid,
    },
    /// An upload was removed before it was complete, because no data came for too long.
    #[error("the upload of weights for `{model}` was removed, because no data came for too long")]
    UploadGone {
        /// The model.
        model: String,
    },
    /// Another process has put the end of a detached run on record.
    #[error("another process has collected the run `{request}`")]
    Collected {
        /// Id of the request.
        request: Uuid,
    },
    /// The model was removed while its weights were uploaded.
    #[error("the model `{model}` was removed while its weights were uploaded")]
    ModelGone {
        /// The model.
        model: String,
    },
    /// The weights would use the disk space that is reserved for the embedded database.
    #[error("the disk of `{folder}` has {free_mib} MiB left, and the last 64 MiB are reserved for the database")]
    NoRoom {
        /// The database's folder.
        folder: PathBuf,
        /// Free space, in MiB.
        free_mib: u64,
        /// The error of a full disk.
        source: io::Error,
    },
    /// The stored weights differ from those that were put.
    #[error("version {version} of the weights of `{model}` is damaged: {what}")]
    Damaged {
        /// The model.
        model: String,
        /// The version.
        version: u64,
        /// What is wrong.
        what: String,
    },
    /// The journal could not be drained.
    #[error("cannot drain the journal")]
    Journal {
        /// The error of the journal.
        #[from]
        source: crate::JournalError,
    },
}

/// The user name in an error where no user signed in.
pub(crate) const ANONYMOUS: &str = "(nobody)";

impl DalError {
    /// Returns whether a value of a row may be at fault, rather than the disk or the connection.
    pub(crate) fn may_be_a_value(&self) -> bool {
        matches!(self, Self::Value { .. } | Self::Row { .. }) && DiskFault::of(self).is_none()
    }

    /// Returns whether a value of a row is certainly at fault.
    pub(crate) fn is_a_value(&self) -> bool {
        matches!(self, Self::Value { sure: true, .. } | Self::Row { .. })
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

fn seconds(waited: Duration) -> String {
    format!("{:.1} s", waited.as_secs_f64())
}
