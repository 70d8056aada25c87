//! Processes that are kept for further requests, as they are listed.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::time::micros_where_known;

/// State of a kept process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProcessState {
    /// It was started and is not ready yet.
    Starting,
    /// It waits for a request.
    Ready,
    /// It serves a request.
    Busy,
    /// It serves its last request.
    Draining,
    /// It is being ended.
    Stopping,
    /// It could not be started, or died again and again; it is not started again for a while.
    Failed,
}

impl ProcessState {
    /// Returns the name of the state, as it is listed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Busy => "busy",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for ProcessState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A process that is kept for further requests to its model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptProcess {
    /// Name of the model.
    pub model: String,
    /// Short id, unique among the processes of one scheduler.
    pub id: String,
    /// Name of the server that it runs on.
    pub server: String,
    /// Version of its weights, if it has any.
    pub weights_version: Option<u64>,
    /// Process id on that server; none before it was started and after it failed.
    pub pid: Option<u32>,
    /// Its state.
    pub state: ProcessState,
    /// Number of requests that it serves now.
    pub in_flight: u32,
    /// Number of requests that wait for a process of this model on this server.
    pub queued: u32,
    /// Number of requests that it has answered.
    pub served: u64,
    /// Memory of its process group, in bytes; none if it runs on another machine.
    pub memory_bytes: Option<u64>,
    /// Time since its start, in milliseconds.
    pub age_ms: f64,
    /// When it is ended if no request comes, or, if it failed, when it may be started again; none if it is kept for good.
    #[serde(serialize_with = "micros_where_known")]
    pub until: Option<Timestamp>,
    /// Whether it is never ended to make room for another one.
    pub pinned: bool,
    /// The last failure of the model on this server, as a sentence.
    pub last_error: Option<String>,
}
