//! The JSON of frames and of plain HTTP requests.

use std::{collections::BTreeMap, path::PathBuf};

use mer_core::{Access, Bound, Claims, FailureKind, KeptProcess, Tags, WeightsVersion};
use mer_scheduler::{FailureCause, Outcome};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Name of the frames' protocol, for `Upgrade`.
pub const PROTOCOL: &str = "mer/1";
/// Path of a run.
pub const PATH_RUN: &str = "/mer/v1/run";
/// Path of the list of kept processes.
pub const PATH_PS: &str = "/mer/v1/ps";
/// Path that loads models.
pub const PATH_LOAD: &str = "/mer/v1/load";
/// Path that stops processes.
pub const PATH_STOP: &str = "/mer/v1/stop";
/// Path of the version.
pub const PATH_VERSION: &str = "/mer/v1/version";
/// Path that asks the resident to end once it is idle.
pub const PATH_LEAVE: &str = "/mer/v1/leave";
/// Path that says that the registry has changed.
pub const PATH_REGISTRY_CHANGED: &str = "/mer/v1/registry-changed";

/// Number of bytes of the input that may be on their way.
pub const INPUT_WINDOW: usize = 1 << 20;

/// The variables of the caller that a kept local process is started with.
pub const VARIABLES: [&str; 6] =
    ["PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX", "CUDA_VISIBLE_DEVICES"];

/// The caller of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallerContext {
    /// `user@host`.
    pub caller: String,
    /// What its environment claims about the caller.
    pub claims: Claims,
    /// Its process id.
    pub pid: u32,
    /// Its working folder.
    pub folder: PathBuf,
    /// Its [`VARIABLES`] that are set and are texts.
    pub variables: BTreeMap<String, String>,
    /// Socket of its SSH agent, for new connections.
    pub agent: Option<PathBuf>,
}

/// A request to run a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Open {
    /// Version of the client.
    pub mer_version: String,
    /// Id of the request, made by the client.
    pub request_uid: Uuid,
    /// `MODEL`, `MODEL:VERSION` or `MODEL@ALIAS`.
    pub model: String,
    /// The only server that may serve it.
    pub server: Option<String>,
    /// Overrides the model's own timeout.
    pub timeout: Option<Bound>,
    /// Whether input and output are hashed for the log.
    pub hashes: bool,
    /// Number of further attempts after failures of transport.
    pub retries: u32,
    /// Whether further attempts are made also after the model itself failed.
    pub retry_failed: bool,
    /// Place among waiting requests, from -10 to 10.
    pub priority: i8,
    /// The batch that it is an item or a part of.
    #[serde(default)]
    pub batch_uid: Option<Uuid>,
    /// The sha256 of the registration of the model that the batch works with. With another one, the resident declines.
    #[serde(default)]
    pub registration_sha256: Option<String>,
    /// Number of attempts that were made before.
    #[serde(default)]
    pub attempts_made: u32,
    /// What makes it a part: its input are items, and its output replies.
    #[serde(default)]
    pub part: Option<PartOpen>,
    /// Tags for the log.
    pub tags: Tags,
    /// Whether the diagnostics are wanted while the run goes on.
    pub diagnostics: bool,
    /// Whether the progress of a delivery of weights is wanted.
    #[serde(default)]
    pub progress: bool,
    /// Whether the client runs the model by itself if the resident lacks a secret for the connection.
    #[serde(default)]
    pub takes_back: bool,
    /// The caller.
    pub context: CallerContext,
}

/// A part of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartOpen {
    /// Maximum number of items that the process is sent ahead of their replies.
    pub pipeline: usize,
}

/// The resident will run it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reserved {
    /// Name of the model.
    pub model: String,
}

/// Why the resident does not run it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeclineReason {
    /// Its process ends with the run, and runs on the machine of the caller.
    RunHere,
    /// The resident is about to end.
    Leaving,
    /// The resident has another version.
    Version,
    /// The model was changed since the batch began.
    Changed,
    /// A passphrase or a password is needed for the connection, which the resident cannot have.
    Secret,
}

/// The resident does not run it. Nothing was or will be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Declined {
    /// Why.
    pub reason: DeclineReason,
    /// Number of attempts that are on record. None of them has started a process.
    #[serde(default)]
    pub attempts: u32,
}

/// A further attempt, which begins now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptMessage {
    /// Its number, from 2.
    pub attempt: u32,
    /// Number of retries that were taken for it and for those before.
    pub retries: u32,
}

/// Progress of a delivery of weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProgressMessage {
    /// Name of the server.
    pub server: String,
    /// The weights.
    pub version: WeightsVersion,
    /// Number of bytes that were transferred so far.
    pub bytes: u64,
}

/// The end of the input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InputEnd {
    /// Why it could not be read to its end, if it could not.
    pub error: Option<String>,
}

/// The end of the output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputEnd {
    /// Whether the run succeeds if its output is written.
    pub succeeded: bool,
}

/// Whether the output was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    /// Kind and sentence of the failure, if it was not.
    pub failure: Option<(FailureKind, String)>,
}

/// What a run waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitMessage {
    /// The sentence; none if the wait is over.
    pub text: Option<String>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunEnd {
    /// The recorded access.
    pub access: Access,
    /// Kind of the failure.
    pub failure: Option<FailureKind>,
    /// What can be done about it.
    pub hint: Option<String>,
    /// The items of a part.
    #[serde(default)]
    pub part: Option<PartCounts>,
}

/// The items of a part that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartCounts {
    /// Number of items that were sent, at least in part.
    pub sent: u32,
    /// Number of items that were answered.
    pub answered: u32,
}

impl RunEnd {
    /// Returns how a run ended, with the hint for it.
    #[must_use]
    pub fn new(outcome: Outcome, hint: Option<String>) -> Self {
        let Outcome { access, failure, .. } = outcome;
        Self { access, failure, hint, part: None }
    }
}

impl From<RunEnd> for Outcome {
    fn from(end: RunEnd) -> Self {
        let RunEnd { access, failure, hint, .. } = end;
        let cause = hint.is_some().then_some(FailureCause::Relayed { hint });
        Self { access, failure, cause }
    }
}

/// A failed request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorMessage {
    /// Kind of the failure.
    pub kind: FailureKind,
    /// What went wrong, as a sentence.
    pub message: String,
    /// The causes, outermost first.
    #[serde(default)]
    pub causes: Vec<String>,
    /// What can be done about it.
    pub hints: Vec<String>,
}

impl ErrorMessage {
    /// Makes a failure without causes and hints.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), hints: Vec::new() }
    }
}

/// The kept processes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Processes {
    /// One for each process.
    pub processes: Vec<KeptProcess>,
}

/// A request to load a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadRequest {
    /// `MODEL`, `MODEL:VERSION` or `MODEL@ALIAS`.
    pub model: String,
    /// The caller; none is the resident itself.
    #[serde(default)]
    pub context: Option<CallerContext>,
}

/// A request to stop processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StopRequest {
    /// Names of models, or ids.
    #[serde(default)]
    pub names: Vec<String>,
    /// Whether all processes are meant.
    #[serde(default)]
    pub all: bool,
    /// Whether requests that are being served are cancelled.
    #[serde(default)]
    pub now: bool,
}

/// The resident itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionMessage {
    /// Its version.
    pub mer_version: String,
    /// Its process id.
    pub pid: u32,
    /// Whether it is about to end.
    pub leaving: bool,
}
