//! Records attempts in the journal: once when an attempt begins, and once when it ends.

use std::time::Duration;

use jiff::{Timestamp, Unit};
use mer_core::{Access, AccessKind, Claims, Status, Tags};
use mer_dal::{Durability, Journal};
use uuid::Uuid;

use crate::{Outcome, SchedulerError, outcome::Verdict, placement::Placement};

/// Writes accesses of one caller to the journal.
#[derive(Debug)]
pub(crate) struct Recorder {
    journal: Journal,
    /// `user@host`.
    caller: String,
    caller_claims: Claims,
    caller_pid: u32,
}

impl Recorder {
    pub(crate) const fn new(journal: Journal, caller: String, caller_claims: Claims, caller_pid: u32) -> Self {
        Self { journal, caller, caller_claims, caller_pid }
    }

    pub(crate) const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Returns the access of the first attempt of a request, which begins now. Nothing is written.
    pub(crate) fn begin(&self, request_uid: Uuid, model: &str, kind: AccessKind, placement: &Placement) -> Access {
        Access {
            request_uid,
            attempt: 1,
            model: model.to_owned(),
            server: placement.server.clone(),
            kind,
            protocol: String::new(),
            weights_version: None,
            weights_sha256: None,
            caller: self.caller.clone(),
            caller_pid: self.caller_pid,
            caller_claims: self.caller_claims.clone(),
            start_access: now(),
            stop_access: None,
            status: Status::Started,
            exit_code: None,
            signal: None,
            queue_ms: Some(0.0),
            connect_ms: Some(0.0),
            start_ms: None,
            run_ms: None,
            stdin_bytes: 0,
            stdout_bytes: 0,
            stderr_bytes: 0,
            stdin_sha256: None,
            stdout_sha256: None,
            stderr_tail: String::new(),
            error: None,
            batch_uid: None,
            items: None,
            failed_items: None,
            job_id: None,
            via: None,
            tags: Tags::default(),
        }
    }

    /// Records the start of an attempt.
    pub(crate) async fn record_start(&self, access: &Access, durability: Durability) -> Result<(), SchedulerError> {
        self.journal
            .started(access, durability)
            .await
            .map_err(|source| SchedulerError::Record { model: access.model.clone(), source })
    }

    /// Records the end of an attempt. A failure is only logged, because the answer has been given already.
    pub(crate) async fn record_end(&self, mut access: Access, verdict: Verdict) -> Outcome {
        verdict.write_to(&mut access);
        access.stop_access.get_or_insert_with(now);
        if access.batch_uid.is_some() && access.failed_items.is_none() {
            access.failed_items = Some(u64::from(access.status != Status::Succeeded));
        }
        if let Err(error) = self.journal.ended(&access).await {
            // The access will become `lost`, and this line says why.
            tracing::error!(request = %access.request_uid, error = &error as &dyn std::error::Error,
                "the end of the run could not be recorded");
        }
        Outcome { access, failure: verdict.failure, cause: verdict.cause }
    }
}

/// Returns the current time in microseconds, the precision of every database.
pub(crate) fn now() -> Timestamp {
    // Rounding fails only at the end of the range of timestamps.
    Timestamp::now().round(Unit::Microsecond).unwrap_or(Timestamp::UNIX_EPOCH)
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
