//! What a batch is asked to do.

use std::{fmt, fs::File, io, path::PathBuf, time::Duration};

use uuid::Uuid;

use crate::halt::Halt;

/// How an input is cut into items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InputFormat {
    /// A line is an item, without its newline. A carriage return before the newline belongs to the item.
    #[default]
    Lines,
    /// Items end with a NUL byte.
    Null,
    /// A line is a JSON value, and an item.
    JsonLines,
    /// A record after the header is an item: a JSON object from names of columns to texts.
    Csv,
    /// A line names a file, whose bytes are the item.
    Files,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutputFormat {
    /// The answer and a newline; an empty line for a failed item. An answer of several lines is a failure.
    #[default]
    Text,
    /// The answer and a NUL byte; nothing but that byte for a failed item. An answer with a NUL byte is a failure.
    Null,
    /// A JSON object a line: `id`, `status`, `output`, `requestUid`, `attempt`, `server`, `runMs`.
    Json,
}

/// What happens to items with the identity of an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Duplicates {
    /// Items with the same id field are an error; the same content without an id field is run each time.
    #[default]
    Default,
    /// They get the result of the first, and are not run.
    Share,
    /// Each is run.
    Run,
}

/// Where items come from.
pub enum Input {
    /// A file by its path, of any kind but a folder.
    File(PathBuf),
    /// An open file, such as standard input, from where it is read next. A regular one is treated as one that has a path.
    Open(File),
    /// A stream. It is read on a thread of its own.
    Stream(Box<dyn io::Read + Send>),
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Open(file) => f.debug_tuple("Open").field(file).finish(),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// Where results go.
pub enum Output {
    /// A file, with a ledger beside it. A path that exists and is no regular file, such as a named pipe, has no ledger.
    File(PathBuf),
    /// A folder with a file an item, and a ledger beside the folder.
    Folder(PathBuf),
    /// An open stream, such as standard output, without a ledger. It is written on a thread of its own.
    Stream(Box<dyn io::Write + Send>),
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Folder(path) => f.debug_tuple("Folder").field(path).finish(),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// What results depend on besides the items. A ledger of another subject is not continued.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subject {
    /// Name of the model.
    pub model: String,
    /// The weights, as model, version and SHA-256, or empty.
    pub weights: String,
    /// SHA-256 of the command and of what else decides what is run, as hex digits.
    pub command: String,
    /// The model's protocol and its delimiters.
    pub framing: String,
    /// Version of MER, for messages only.
    pub mer_version: String,
}

/// What a batch is asked to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// Uid of the batch on record.
    pub batch_uid: Uuid,
    /// What results depend on besides the items.
    pub subject: Subject,
    /// How the input is cut into items.
    pub input_format: InputFormat,
    /// How results are written. A folder holds the bare answers, whatever this says.
    pub output_format: OutputFormat,
    /// The field or column that identifies an item; for [`InputFormat::JsonLines`] and [`InputFormat::Csv`] only.
    pub id_field: Option<String>,
    /// What happens to items with the identity of an earlier one.
    pub duplicates: Duplicates,
    /// Results are written as they come, not in the order of the items.
    pub unordered: bool,
    /// Maximum number of parts at once; `None` for as many as the runner has capacity for.
    pub jobs: Option<usize>,
    /// Maximum number of items that a process is sent ahead of its replies, at least 1.
    pub pipeline: usize,
    /// Further attempts of an item after a failure that may be over at the next one.
    pub retries: u32,
    /// When the batch ends because of its results.
    pub halt: Option<Halt>,
    /// Goes on with a ledger that is there.
    pub resume: bool,
    /// Runs items again that have failed, with [`Options::resume`].
    pub retry_failed: bool,
    /// Overwrites results that are there; with [`Options::resume`], goes on although the ledger is of another subject, or is
    /// damaged, or the results were edited.
    pub force: bool,
    /// Every item has a row on record: a part has one item.
    pub record_each: bool,
    /// Takes a JSON line for each failed item.
    pub errors: Option<PathBuf>,
    /// How long the batch goes on trying while no server can be reached.
    pub unreachable_bound: Duration,
    /// Size from which on the device of the results is full.
    #[cfg(test)]
    pub(crate) full_at: Option<u64>,
    /// The id of this boot of the machine.
    #[cfg(test)]
    pub(crate) boot: Option<[u8; 16]>,
}

impl Options {
    /// The options of a batch with this uid and subject, with everything else as it is by default.
    #[must_use]
    pub fn new(batch_uid: Uuid, subject: Subject) -> Self {
        Self {
            batch_uid,
            subject,
            input_format: InputFormat::default(),
            output_format: OutputFormat::default(),
            id_field: None,
            duplicates: Duplicates::default(),
            unordered: false,
            jobs: None,
            pipeline: 16,
            retries: 0,
            halt: None,
            resume: false,
            retry_failed: false,
            force: false,
            record_each: false,
            errors: None,
            unreachable_bound: Duration::from_secs(600),
            #[cfg(test)]
            full_at: None,
            #[cfg(test)]
            boot: None,
        }
    }
}
