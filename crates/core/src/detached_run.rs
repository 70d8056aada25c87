//! Runs that outlive their caller.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{AttemptKey, Bound};

/// A run that goes on when the `mer` that started it ends: a row of the table `DetachedRuns`. It is there from before the
/// start of the run until its end is on record.
#[derive(Debug, Clone, PartialEq)]
pub struct DetachedRun {
    /// Id of the request; the key together with `attempt`.
    pub request_uid: Uuid,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Name of the model.
    pub model: String,
    /// Name of the server.
    pub server: String,
    /// Name of the machine that its supervisor runs on; that of its caller until it has started.
    pub host: String,
    /// Boot of that machine (`/proc/sys/kernel/random/boot_id`); none until it has started, and where that is not known.
    pub boot_id: Option<String>,
    /// Its folder on that machine; none until it has started.
    pub folder: Option<String>,
    /// Id of its job, on a cluster.
    pub job_id: Option<String>,
    /// Owner of the claims that it holds on units of resources.
    pub claim: Option<Uuid>,
    /// When it was put on record, by the clock of the database.
    pub started_at: Timestamp,
    /// When it counts as lost if its end was not observed.
    pub collect_by: Timestamp,
    /// Whether that time has passed, by the clock of the database.
    pub is_overdue: bool,
    /// What else is known of it.
    pub params: DetachedParams,
}

impl DetachedRun {
    /// Returns the key of its access.
    #[must_use]
    pub const fn key(&self) -> AttemptKey {
        AttemptKey { request_uid: self.request_uid, attempt: self.attempt }
    }
}

/// The schemaless part of a [`DetachedRun`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DetachedParams {
    /// Process id of its supervisor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// When that process was started, as its machine counts (field 22 of `/proc/PID/stat`). Distinguishes it from a later
    /// process with the same id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// How long it may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_run_time: Option<Bound>,
    /// Time between TERM and KILL, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_secs: Option<u64>,
    /// Whether its output is hashed for the log.
    pub hashes: bool,
    /// Length of its input, in bytes.
    pub stdin_bytes: u64,
    /// Sha256 of its input; none if hashing was off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin_sha256: Option<String>,
    /// Time that its start took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_ms: Option<f64>,
    /// What becomes of the weights that it makes, if it is a training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training: Option<DetachedTraining>,
    /// Keys of newer versions of MER.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

/// What becomes of the weights that a detached training makes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DetachedTraining {
    /// Whether the version becomes the current one.
    pub promote: bool,
    /// Note of the version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Version that it was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_newer_version_are_kept() {
        let text = r#"{"pid":7,"maxRunTime":"2h","hashes":true,"stdinBytes":5,"training":{"promote":true,"parent":3},"colour":"red"}"#;
        let params: DetachedParams = serde_json::from_str(text).expect("parameters");
        assert_eq!((params.pid, params.max_run_time), (Some(7), Some(Bound::secs(7_200))));
        assert_eq!(params.training.as_ref().and_then(|training| training.parent), Some(3));
        let again = serde_json::to_value(&params).expect("JSON");
        assert_eq!(again, serde_json::from_str::<serde_json::Value>(text).expect("JSON"));
    }
}
