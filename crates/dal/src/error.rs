//! What can go wrong between MER and its databases.

use std::{error::Error, io, path::PathBuf, time::Duration};

use mer_core::{Classified, Distrust, FailureKind, Shortage};
use thiserror::Error;

use crate::{DiskFault, ScriptRun};

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
    /// The embedded engine takes the path of its folder as text in UTF-8.
    #[error("`{url}` is no database that can be used: the engine needs a folder whose name is UTF-8, not `{folder}`")]
    FolderName {
        /// As it was given.
        url: String,
        /// The folder, with a replacement character for what is not UTF-8.
        folder: String,
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
    #[error("the script `{script}` failed{}", place(failure))]
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
        source: crate::JournalError,
    },
}

/// The user name in an error where no user signed in.
pub(crate) const ANONYMOUS: &str = "(nobody)";

/// Where in a script the database stopped, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptFailure {
    /// Line in the file, from 1.
    pub line: Option<usize>,
    /// The statement, shortened to one line.
    pub statement: Option<String>,
    /// Which session of the server held the lock that the statement waited for.
    pub holder: Option<String>,
    /// Whether it may go well the next time, as after a wait for a lock that ran out.
    pub may_pass: bool,
}

impl DalError {
    /// A script that does what is MER's to do, and where.
    pub(crate) fn own_transaction(script: &ScriptRun, line: usize, statement: String) -> Self {
        const WHY: &str = "a script runs in one transaction with its row in `Migrations`: it neither begins nor ends one itself, nor returns";
        Self::refused_script(script, line, statement, WHY)
    }

    /// A script that is not run, and for which of its statements.
    pub(crate) fn refused_script(script: &ScriptRun, line: usize, statement: String, why: &'static str) -> Self {
        let failure = ScriptFailure { line: Some(line), statement: Some(statement), ..ScriptFailure::default() };
        Self::Script { script: script.file.clone(), failure: Box::new(failure), source: why.into() }
    }

    /// Whether it may be that a row has what the database does not take, and not that nothing can be written.
    pub(crate) fn may_be_a_value(&self) -> bool {
        matches!(self, Self::Value { .. } | Self::Row { .. }) && DiskFault::of(self).is_none()
    }

    /// Whether that is certain.
    pub(crate) fn is_a_value(&self) -> bool {
        matches!(self, Self::Value { sure: true, .. } | Self::Row { .. })
    }

    /// Returns whether the engine could not open the database because it found bytes that it did not write. It passes on text
    /// only.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        const SIGNS: [&str; 6] = ["checksum", "corrupt", "manifest", "sstable", "wal error", "fill whole buffer"];
        let Self::Open { source, .. } = self else { return false };
        let text = source.to_string().to_ascii_lowercase();
        SIGNS.iter().any(|sign| text.contains(sign))
    }

    /// Returns whether the database refused an operation because no user signed in.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        matches!(self, Self::Rights { user, .. } if user == ANONYMOUS)
    }
}

impl Classified for DalError {
    fn failure_kind(&self) -> FailureKind {
        // A shortage of this machine is no fault of the request or of the database.
        if let Some(shortage) = Shortage::of(self) {
            return shortage.failure_kind();
        }
        match self {
            // A full disk is no fault of the script.
            Self::Script { .. } if DiskFault::of(self).is_some() => FailureKind::Io,
            Self::Script { failure, .. } if failure.may_pass => FailureKind::Busy,
            Self::Busy { .. }
            | Self::Changed { .. }
            | Self::Conflict { .. }
            | Self::Migrating { .. }
            | Self::Late { .. }
            | Self::Locked { .. }
            | Self::NotReady { .. }
            | Self::Short { .. } => FailureKind::Busy,
            Self::Invalid { .. } => FailureKind::Input,
            Self::Distrusted { .. }
            | Self::Refused { .. }
            | Self::Rights { .. }
            | Self::VersionInUse { .. }
            | Self::HasWeights { .. } => FailureKind::Refused,
            Self::NoVersion { .. } | Self::NoAlias { .. } | Self::ModelGone { .. } => FailureKind::NotFound,
            Self::Url { .. }
            | Self::FolderName { .. }
            | Self::Foreign { .. }
            | Self::OtherVersion { .. }
            | Self::NoSchema { .. }
            | Self::NoDatabase { .. }
            | Self::TooOld { .. }
            | Self::Encoding { .. }
            | Self::Script { .. }
            | Self::ScriptRow { .. } => FailureKind::Config,
            _ => FailureKind::Io,
        }
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

fn seconds(waited: Duration) -> String {
    format!("{:.1} s", waited.as_secs_f64())
}

fn place(failure: &ScriptFailure) -> String {
    let line = failure.line.map(|line| format!(" at line {line}")).unwrap_or_default();
    let statement = failure.statement.as_deref().map(|text| format!(", in `{text}`")).unwrap_or_default();
    let holder = failure.holder.as_deref().map(|holder| format!(": {holder} has locked what it needs"));
    line + &statement + &holder.unwrap_or_default()
}
