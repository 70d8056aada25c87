//! Accesses: attempts to use a model. [`Access`] is the JSON of `mer run --json`, a row of `mer log list --json`, and a row of
//! the table `ModelAccess`.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Claims, Invalid, Tags, micros, micros_where_known, valid};

/// Maximum number of bytes of the end of stderr that an access keeps.
pub const STDERR_TAIL_BYTES: usize = 16 * 1024;

/// Purpose of an access.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AccessKind {
    /// To answer a request.
    #[default]
    Infer,
    /// To make new weights.
    Train,
    /// To check that it can be started.
    Ping,
    /// To have a process ready before the first request.
    Load,
}

/// State of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Status {
    /// It is not over yet.
    Started,
    /// The model answered.
    Succeeded,
    /// It failed, could not be started, or broke its protocol.
    Failed,
    /// A bound ran out.
    Timeout,
    /// The user or a supervisor ended it.
    Cancelled,
    /// The server could not be connected or authenticated to, or the connection was lost.
    Unreachable,
    /// No end was recorded, because `mer` was killed or could not write it. A later command sets this state.
    Lost,
}

impl Status {
    /// Returns the name in the database and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Unreachable => "unreachable",
            Self::Lost => "lost",
        }
    }

    /// Returns whether an attempt with this state ended and did not succeed.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        !matches!(self, Self::Started | Self::Succeeded)
    }

    /// Returns the rank of a record. Of two records of one attempt the higher rank wins: an observed end over `lost`, and `lost`
    /// over `started`.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Started => 0,
            Self::Lost => 1,
            _ => 2,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for AccessKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Infer => "infer",
            Self::Train => "train",
            Self::Ping => "ping",
            Self::Load => "load",
        })
    }
}

/// The key of an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttemptKey {
    /// Id of the request.
    pub request_uid: Uuid,
    /// Number of the attempt, from 1.
    pub attempt: u32,
}

/// One attempt to use a model. Times are UTC with microseconds, durations are milliseconds, hashes are sha256 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// Id of the request; the key together with `attempt`.
    pub request_uid: Uuid,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Name of the model.
    pub model: String,
    /// Name of the server.
    pub server: String,
    /// What the model was used for.
    pub kind: AccessKind,
    /// Name of the protocol; empty if nothing was started.
    pub protocol: String,
    /// Version of the weights, if there were any.
    pub weights_version: Option<u64>,
    /// Sha256 of the weights.
    pub weights_sha256: Option<String>,
    /// `user@host` of the caller. The user is the real one, as the system names it.
    pub caller: String,
    /// Process id of the caller.
    pub caller_pid: u32,
    /// What the caller's environment claims about the caller.
    #[serde(default)]
    pub caller_claims: Claims,
    /// Start of the attempt.
    #[serde(serialize_with = "micros")]
    pub start_access: Timestamp,
    /// End of the attempt; none if it is not over or its end was not observed.
    #[serde(serialize_with = "micros_where_known")]
    pub stop_access: Option<Timestamp>,
    /// State of the attempt.
    pub status: Status,
    /// Exit code of the process.
    pub exit_code: Option<i32>,
    /// Signal that the process died by, such as `SIGKILL`.
    pub signal: Option<String>,
    /// Time in the queue.
    pub queue_ms: Option<f64>,
    /// Time to connect to the server.
    pub connect_ms: Option<f64>,
    /// Time to start the process, up to its ready token.
    pub start_ms: Option<f64>,
    /// Time from sending the request to its end.
    pub run_ms: Option<f64>,
    /// Number of bytes sent to the model.
    pub stdin_bytes: u64,
    /// Number of bytes received from stdout.
    pub stdout_bytes: u64,
    /// Number of bytes received from stderr.
    pub stderr_bytes: u64,
    /// Sha256 of the input sent; none if hashing was off.
    pub stdin_sha256: Option<String>,
    /// Sha256 of the output received; none if hashing was off.
    pub stdout_sha256: Option<String>,
    /// The end of stderr, at most [`STDERR_TAIL_BYTES`]. Invalid UTF-8 is replaced.
    pub stderr_tail: String,
    /// What went wrong, as a sentence.
    pub error: Option<String>,
    /// Id of the batch that it is a part of.
    #[serde(default)]
    pub batch_uid: Option<Uuid>,
    /// Number of items of a part of a batch.
    #[serde(default)]
    pub items: Option<u64>,
    /// Number of those items that failed.
    #[serde(default)]
    pub failed_items: Option<u64>,
    /// Id of the job, on a cluster.
    #[serde(default)]
    pub job_id: Option<String>,
    /// What ran it for the caller: `resident`, `detached` for a run that outlives its caller, or none for the `mer` of the caller.
    #[serde(default)]
    pub via: Option<String>,
    /// Labels of the caller.
    #[serde(default)]
    pub tags: Tags,
}

impl Access {
    /// The `via` of a run that the resident served.
    pub const VIA_RESIDENT: &'static str = "resident";

    /// The `via` of a run that outlives its caller.
    pub const VIA_DETACHED: &'static str = "detached";

    /// Returns how many items it stands for: those of a part of a batch, else 1.
    #[must_use]
    pub fn item_count(&self) -> u64 {
        self.items.unwrap_or(1)
    }

    /// Returns how many of its items failed. A part of several items may have failed without one of them.
    #[must_use]
    pub fn failed_count(&self) -> u64 {
        let is_failure = self.item_count() == 1 && self.status.is_failure();
        u64::from(is_failure).max(self.failed_items.unwrap_or(0))
    }

    /// Returns the key of this access.
    #[must_use]
    pub const fn key(&self) -> AttemptKey {
        AttemptKey { request_uid: self.request_uid, attempt: self.attempt }
    }

    /// Checks what the types of the fields leave open. An end before the start is accepted, because clocks can be set back.
    ///
    /// # Errors
    /// The first invalid field.
    pub fn check(&self) -> Result<(), Invalid> {
        valid::check_counted("attempt", self.attempt.into())?;
        valid::check_known("model", &self.model)?;
        valid::check_known("server", &self.server)?;
        // Empty if nothing was started.
        if !self.protocol.is_empty() {
            valid::check_known("protocol", &self.protocol)?;
        }
        if let Some(version) = self.weights_version {
            valid::check_counted("weightsVersion", version)?;
        }
        let hashes = [
            ("weightsSha256", &self.weights_sha256),
            ("stdinSha256", &self.stdin_sha256),
            ("stdoutSha256", &self.stdout_sha256),
        ];
        for (field, hash) in hashes {
            hash.as_deref().map_or(Ok(()), |hash| valid::check_sha256(field, hash))?;
        }
        valid::time("startAccess", self.start_access)?;
        self.stop_access.map_or(Ok(()), |time| valid::time("stopAccess", time))?;
        if self.status == Status::Started && self.stop_access.is_some() {
            return Err(Invalid::new("stopAccess", "is set, and the attempt is `started`"));
        }
        // Such as `SIGKILL` or `signal 40`.
        if let Some(signal) = &self.signal
            && (signal.is_empty() || signal.len() > 32 || !signal.bytes().all(|c| c.is_ascii_graphic() || c == b' '))
        {
            return Err(Invalid::new("signal", "is not the name of a signal"));
        }
        for (field, ms) in [
            ("queueMs", self.queue_ms),
            ("connectMs", self.connect_ms),
            ("startMs", self.start_ms),
            ("runMs", self.run_ms),
        ] {
            valid::millis(field, ms)?;
        }
        for (field, bytes) in
            [("stdinBytes", self.stdin_bytes), ("stdoutBytes", self.stdout_bytes), ("stderrBytes", self.stderr_bytes)]
        {
            valid::bytes(field, bytes)?;
        }
        self.check_batch()?;
        // An invalid byte is replaced by three bytes of UTF-8.
        let most = 3 * STDERR_TAIL_BYTES;
        if self.stderr_tail.len() > most {
            return Err(Invalid::new(
                "stderrTail",
                format!("has {} bytes; at most {most} are kept", self.stderr_tail.len()),
            ));
        }
        Ok(())
    }

    /// Checks the fields of batches, jobs and tags.
    fn check_batch(&self) -> Result<(), Invalid> {
        for (field, count) in [("items", self.items), ("failedItems", self.failed_items)] {
            count.map_or(Ok(()), |count| valid::bytes(field, count))?;
        }
        if self.failed_items.unwrap_or(0) > self.items.unwrap_or(0) {
            return Err(Invalid::new("failedItems", "is greater than `items`"));
        }
        for (field, text) in [("jobId", &self.job_id), ("via", &self.via)] {
            text.as_deref().map_or(Ok(()), |text| valid::check_known(field, text))?;
        }
        self.tags.check()
    }
}

#[cfg(test)]
mod tests;
