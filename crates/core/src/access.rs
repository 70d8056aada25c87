//! An access: one attempt to use a model, from its start to its end. The JSON of `mer run --json`, a row of
//! `mer log list --json` and a row of `ModelAccess` are this one type.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Claims, Invalid, micros, micros_where_known, valid};

/// How much of the end of stderr an access keeps, in bytes.
pub const STDERR_TAIL_BYTES: usize = 16 * 1024;

/// What a model was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// An answer.
    #[default]
    Infer,
    /// New weights.
    Train,
    /// A sign of life.
    Ping,
}

/// Where an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Status {
    /// Not yet over.
    Started,
    /// The model answered.
    Succeeded,
    /// It failed, could not be started, or broke its protocol.
    Failed,
    /// A bound ran out.
    Timeout,
    /// A person or a supervisor ended it.
    Cancelled,
    /// No connection, or it was lost in the middle; or no authentication.
    Unreachable,
    /// No end was recorded: `mer` was killed, or could not write it; a later command writes this.
    Lost,
}

impl Status {
    /// The name in the database and in JSON.
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

    /// Which of two records of one attempt wins: an end that was seen beats `lost`, and that beats `started`.
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

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Infer => "infer",
            Self::Train => "train",
            Self::Ping => "ping",
        })
    }
}

/// What an access is unique by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttemptKey {
    /// The request.
    pub request_uid: Uuid,
    /// Its attempt, from 1.
    pub attempt: u32,
}

/// One attempt. Times are UTC with microseconds, durations milliseconds, counts bytes, hashes sha256 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// The request; with `attempt` the key.
    pub request_uid: Uuid,
    /// From 1.
    pub attempt: u32,
    /// The model's name.
    pub model: String,
    /// The server's name.
    pub server: String,
    /// What it was asked for.
    pub kind: Kind,
    /// The protocol's name.
    pub protocol: String,
    /// The version of the weights, where there were any.
    pub weights_version: Option<u64>,
    /// Their hash.
    pub weights_sha256: Option<String>,
    /// `user@host` of the caller: the name of the real user, as the system has it.
    pub caller: String,
    /// The process that called.
    pub caller_pid: u32,
    /// What the caller's environment says of the caller beside that.
    #[serde(default)]
    pub caller_claims: Claims,
    /// When the attempt began.
    #[serde(serialize_with = "micros")]
    pub start_access: Timestamp,
    /// When it ended; none while it is not over, or when nobody saw the end.
    #[serde(serialize_with = "micros_where_known")]
    pub stop_access: Option<Timestamp>,
    /// Where it stands.
    pub status: Status,
    /// The process's exit code.
    pub exit_code: Option<i32>,
    /// The signal it died by, such as `SIGKILL`.
    pub signal: Option<String>,
    /// Waiting for a slot.
    pub queue_ms: Option<f64>,
    /// Making the connection.
    pub connect_ms: Option<f64>,
    /// Starting the process, up to its ready token.
    pub start_ms: Option<f64>,
    /// From the request to its end.
    pub run_ms: Option<f64>,
    /// Input sent.
    pub stdin_bytes: u64,
    /// Output received.
    pub stdout_bytes: u64,
    /// Diagnostics received.
    pub stderr_bytes: u64,
    /// Of the input sent; none where hashing was switched off.
    pub stdin_sha256: Option<String>,
    /// Of the output received; none where hashing was switched off.
    pub stdout_sha256: Option<String>,
    /// The end of stderr, at most [`STDERR_TAIL_BYTES`]; what is no UTF-8 is replaced.
    pub stderr_tail: String,
    /// What went wrong, as a sentence.
    pub error: Option<String>,
}

impl Access {
    /// What this access is unique by.
    #[must_use]
    pub const fn key(&self) -> AttemptKey {
        AttemptKey { request_uid: self.request_uid, attempt: self.attempt }
    }

    /// Checks what the types of the fields leave open. An end before the start is none of it: clocks are set.
    ///
    /// # Errors
    /// The first field that no access has so.
    pub fn check(&self) -> Result<(), Invalid> {
        valid::check_counted("attempt", self.attempt.into())?;
        valid::check_known("model", &self.model)?;
        valid::check_known("server", &self.server)?;
        // Empty where nothing was started.
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
        // `SIGKILL`, or `signal 40`.
        if let Some(signal) = &self.signal
            && (signal.is_empty() || signal.len() > 32 || !signal.bytes().all(|c| c.is_ascii_graphic() || c == b' '))
        {
            return Err(Invalid::new("signal", "is no name of a signal"));
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
        // What is no UTF-8 has three bytes in place of one.
        let most = 3 * STDERR_TAIL_BYTES;
        if self.stderr_tail.len() > most {
            return Err(Invalid::new(
                "stderrTail",
                format!("has {} bytes; at most {most} are kept", self.stderr_tail.len()),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
