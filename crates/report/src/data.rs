//! The numbers of a report. Times are UTC with microseconds, durations milliseconds; counts are requests, a batch's part counting its items.

use jiff::Timestamp;
use mer_core::{Status, micros, micros_where_known};
use serde::Serialize;
use uuid::Uuid;

/// The beginning of a list that may be longer.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct List<T> {
    /// The rows that are shown.
    pub rows: Vec<T>,
    /// Number of rows that are not shown.
    pub left_out: u64,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), left_out: 0 }
    }
}

impl<T> List<T> {
    /// Keeps the first rows of all.
    #[must_use]
    pub fn first(mut all: Vec<T>, at_most: usize) -> Self {
        let left_out = all.len().saturating_sub(at_most) as u64;
        all.truncate(at_most);
        Self { rows: all, left_out }
    }
}

/// What a report shows.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Version of `mer`.
    pub mer_version: String,
    /// The database, without a password.
    pub database: String,
    /// When the numbers were read.
    #[serde(serialize_with = "micros")]
    pub made_at: Timestamp,
    /// Start of the time that the report is about.
    #[serde(serialize_with = "micros")]
    pub since: Timestamp,
    /// Its end.
    #[serde(serialize_with = "micros")]
    pub until: Timestamp,
    /// Counts of the whole time.
    pub totals: Totals,
    /// Equal periods, one after the other, without gaps.
    pub periods: Vec<Period>,
    /// Durations by model and server, the most requests first.
    pub latency: List<Latency>,
    /// Versions of weights by model, the most requests first.
    pub models: List<ModelVersions>,
    /// Servers by name.
    pub servers: List<ServerHealth>,
    /// Kept processes of the resident, and what waits for them.
    pub warm: List<WarmProcess>,
    /// Batches, the newest first.
    pub batches: List<Batch>,
    /// The runs that took longest.
    pub slowest: List<Run>,
    /// The newest runs that failed.
    pub failed: List<Run>,
}

/// Counts of requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Number of all.
    pub requests: u64,
    /// Number of those that ended and did not succeed.
    pub failed: u64,
    /// Number of those that are not over.
    pub open: u64,
}

/// Counts of a period.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Period {
    /// Its start. Its end is the start of the next one.
    #[serde(serialize_with = "micros")]
    pub start: Timestamp,
    /// Number of requests that began in it.
    pub requests: u64,
    /// Number of those that did not succeed.
    pub failed: u64,
}

/// Durations of a model on a server, of requests that succeeded.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// Name of the model.
    pub model: String,
    /// Name of the server.
    pub server: String,
    /// Number of requests.
    pub requests: u64,
    /// Number of those that did not succeed.
    pub failed: u64,
    /// Median of the time in the model.
    pub p50: Option<f64>,
    /// 90 % take at most this.
    pub p90: Option<f64>,
    /// 99 % take at most this.
    pub p99: Option<f64>,
    /// 90 % wait at most this for a free place.
    pub queue_p90: Option<f64>,
}

/// Versions of a model's weights over time.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelVersions {
    /// Name of the model.
    pub model: String,
    /// Requests by period and version, in the order of the periods.
    pub periods: Vec<VersionPeriod>,
    /// Moves of aliases within the time, in their order.
    pub moves: Vec<AliasMove>,
}

/// Requests of one version in a period.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionPeriod {
    /// Position of the period in [`Report::periods`].
    pub period: usize,
    /// Version of the weights.
    pub version: u64,
    /// Number of requests.
    pub requests: u64,
}

/// A name of weights that was given to another version.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AliasMove {
    /// When.
    #[serde(serialize_with = "micros")]
    pub at: Timestamp,
    /// The name.
    pub alias: String,
    /// The version that it stands for since; none if it was removed.
    pub version: Option<u64>,
}

/// A server, as it is known.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerHealth {
    /// Name of the server.
    pub server: String,
    /// `local`, `ssh` or `slurm`.
    pub conn_type: String,
    /// When it was last reached.
    #[serde(serialize_with = "micros_where_known")]
    pub last_reached: Option<Timestamp>,
    /// Number of requests.
    pub requests: u64,
    /// Number of those for which it could not be reached, or was lost.
    pub unreachable: u64,
}

/// A process that the resident keeps.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WarmProcess {
    /// Name of the model.
    pub model: String,
    /// Name of the server.
    pub server: String,
    /// Its state, such as `ready`.
    pub state: String,
    /// Number of requests that wait for it.
    pub queued: u64,
    /// Number of requests that it has served.
    pub served: u64,
    /// Its memory in bytes.
    pub memory_bytes: Option<u64>,
}

/// A batch.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    /// Its id.
    pub batch_uid: Uuid,
    /// Name of the model.
    pub model: String,
    /// Start of its first part.
    #[serde(serialize_with = "micros")]
    pub start: Timestamp,
    /// End of its last part that is over.
    #[serde(serialize_with = "micros_where_known")]
    pub end: Option<Timestamp>,
    /// Number of items that were run.
    pub items: u64,
    /// Number of those that failed.
    pub failed: u64,
}

/// A run.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Its id.
    pub request_uid: Uuid,
    /// Name of the model.
    pub model: String,
    /// Name of the server.
    pub server: String,
    /// Its start.
    #[serde(serialize_with = "micros")]
    pub start: Timestamp,
    /// How it ended.
    pub status: Status,
    /// Time in the model.
    pub run_ms: Option<f64>,
    /// Why it failed.
    pub error: Option<String>,
}
