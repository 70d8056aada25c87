//! Why a batch could not begin, or ended before its last item.

use std::{io, path::PathBuf};

use mer_core::{Classified, FailureKind};
use thiserror::Error;

/// Why a batch could not begin, or ended before its last item.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The input cannot be opened.
    #[error("the input `{}` cannot be opened", path.display())]
    OpenInput {
        /// Its path.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Reading the input failed.
    #[error("the input cannot be read, at item {line}")]
    ReadInput {
        /// Number of the line or of the item, from 1.
        line: u64,
        /// The reason.
        source: io::Error,
    },
    /// The file was written to while it was read.
    #[error(
        "{} was changed while it was read",
        path.as_ref().map_or_else(|| "the input".to_owned(), |path| format!("`{}`", path.display()))
    )]
    InputChanged {
        /// Its path, where it has one.
        path: Option<PathBuf>,
    },
    /// A JSON value begins on the first line and does not end there.
    #[error("the input is JSON over several lines; every line must be one whole JSON value")]
    JsonOverLines,
    /// The first record of CSV is no header.
    #[error("the header of the CSV input is not usable: {what}")]
    CsvHeader {
        /// What is wrong with it.
        what: String,
    },
    /// An id field was named for a format that has no fields.
    #[error("only items that are JSON or CSV have a field that identifies them")]
    NoIdField,
    /// An item lacks its id.
    #[error("line {line}: the item has no id: the field `{field}` must be a text that is not empty, or a number")]
    MissingId {
        /// The field.
        field: String,
        /// Number of the line, from 1.
        line: u64,
    },
    /// Two items have the same id.
    #[error("line {line}: the id `{id}` is that of item {first} already")]
    DuplicateId {
        /// The id.
        id: String,
        /// Number of the line of the later item, from 1.
        line: u64,
        /// Number of the earlier item, from 1.
        first: u64,
    },
    /// Results are to be shared, and there is no file to read them from.
    #[error("results can be shared by equal items only where they go to a file, in the order of the items")]
    ShareNeedsFile,
    /// The batch is to go on with results that go to a stream.
    #[error("results that do not go to a file or a folder cannot be resumed")]
    NotResumable,
    /// Two files of the batch are the same one.
    #[error("`{}` cannot be {first} and {second} at once", path.display())]
    SameFile {
        /// Its path.
        path: PathBuf,
        /// What it is.
        first: &'static str,
        /// What it was to be, too.
        second: &'static str,
    },
    /// There are more items than can be counted.
    #[error("a batch has at most 4,294,967,295 items")]
    TooManyItems,
    /// Results or a ledger are there, and the batch was not asked to go on with them.
    #[error("`{}` is there already", path.display())]
    OutputExists {
        /// The path.
        path: PathBuf,
        /// Whether there is a ledger, so that the batch can be resumed.
        has_ledger: bool,
    },
    /// Another batch writes to these results.
    #[error("`{}` is in use by another batch{}", path.display(), pid.map_or_else(String::new, |pid| format!(" (pid {pid})")))]
    Locked {
        /// The ledger.
        path: PathBuf,
        /// The process that has locked it, where that is known.
        pid: Option<u32>,
    },
    /// The ledger is of a batch with another model, other weights, another command or other formats.
    #[error("`{}` is of a batch with another {what}: `{was}`, not `{is}`", path.display())]
    OtherSubject {
        /// The ledger.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// The value in the ledger.
        was: String,
        /// The value of this batch.
        is: String,
    },
    /// The ledger is damaged in the middle.
    #[error("the ledger `{}` is damaged: {what}", path.display())]
    DamagedLedger {
        /// The ledger.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// Number of results before the damage, which are intact.
        intact: u64,
    },
    /// A newer MER wrote the ledger.
    #[error("the ledger `{}` has format {version}, which this version of MER does not know", path.display())]
    NewerLedger {
        /// The ledger.
        path: PathBuf,
        /// Its format.
        version: u32,
    },
    /// The results are not those that the ledger has on record.
    #[error("`{}` was changed by another program than MER: result {number} is not the one in the ledger", path.display())]
    EditedOutput {
        /// The results.
        path: PathBuf,
        /// Number of the first result that differs, from 1.
        number: u64,
    },
    /// Results cannot be written.
    #[error("the results cannot be written to `{}`", path.display())]
    Write {
        /// The path.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Results cannot be written to the stream.
    #[error("the results cannot be written")]
    WriteStream {
        /// The reason.
        source: io::Error,
    },
    /// The ledger cannot be read or written.
    #[error("the ledger `{}` cannot be used", path.display())]
    Ledger {
        /// The path.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// No server could be reached for as long as the batch goes on trying.
    #[error("no server could be reached for {seconds} s: {message}")]
    Unreachable {
        /// How long it was tried, in seconds.
        seconds: u64,
        /// Message of the last attempt.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Nothing can be executed any more.
    #[error("{message}")]
    Fatal {
        /// The kind of the failure.
        kind: FailureKind,
        /// Why.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A thread of the batch cannot be started.
    #[error("a thread cannot be started")]
    Thread {
        /// The reason.
        source: io::Error,
    },
    /// A part of the batch ended without a result.
    #[error("a task of the batch ended without a result")]
    TaskLost,
}

impl BatchError {
    /// Returns the hint that came with the failure from below.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Unreachable { hint, .. } | Self::Fatal { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }
}

impl Classified for BatchError {
    fn failure_kind(&self) -> FailureKind {
        match self {
            Self::WriteStream { source } if source.kind() == io::ErrorKind::BrokenPipe => FailureKind::ReaderGone,
            Self::OpenInput { .. }
            | Self::ReadInput { .. }
            | Self::Write { .. }
            | Self::WriteStream { .. }
            | Self::Ledger { .. } => FailureKind::Io,
            Self::InputChanged { .. }
            | Self::JsonOverLines
            | Self::CsvHeader { .. }
            | Self::MissingId { .. }
            | Self::DuplicateId { .. }
            | Self::TooManyItems
            | Self::OtherSubject { .. }
            | Self::DamagedLedger { .. }
            | Self::NewerLedger { .. }
            | Self::EditedOutput { .. } => FailureKind::Input,
            Self::NoIdField
            | Self::ShareNeedsFile
            | Self::NotResumable
            | Self::SameFile { .. }
            | Self::OutputExists { .. } => FailureKind::Usage,
            Self::Locked { .. } | Self::Thread { .. } => FailureKind::Busy,
            Self::Unreachable { .. } => FailureKind::Unreachable,
            Self::Fatal { kind, .. } => *kind,
            Self::TaskLost => FailureKind::Bug,
        }
    }
}
