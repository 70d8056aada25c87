//! How a part ended, as its batch takes it.

use mer_batch::{PartCause, PartEnd};
use mer_core::{Classified, FailureKind, Status, with_causes};
use mer_scheduler::{FailureCause, Outcome, PlaceUse};

/// Why a part could not be attempted, or not be put on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartFailure {
    /// Kind of the failure.
    pub kind: FailureKind,
    /// What went wrong, as a sentence.
    pub message: String,
    /// What can be done about it.
    pub hint: Option<String>,
}

impl PartFailure {
    /// Returns a failure with the words of an error and its causes.
    pub fn of(error: &(impl Classified + 'static)) -> Self {
        Self { kind: error.failure_kind(), message: with_causes(error), hint: None }
    }
}

/// How a part went.
#[derive(Debug)]
pub(super) struct PartResult {
    pub(super) outcome: Result<Outcome, PartFailure>,
    /// Number of items that were sent, at least in part.
    pub(super) sent: u32,
    pub(super) answered: u32,
    /// Why the next item could not be sent, if its protocol cannot carry it.
    pub(super) refused: Option<String>,
}

impl PartResult {
    /// Returns how the part went as far as it matters for its server.
    pub(super) fn place_use(&self) -> PlaceUse {
        match &self.outcome {
            Err(_) => PlaceUse::Unknown,
            Ok(outcome) => match outcome.failure {
                // The connection may be gone; the next part finds out.
                _ if was_ready(outcome) => PlaceUse::Served,
                Some(FailureKind::Unreachable) => PlaceUse::Unreachable,
                None | Some(FailureKind::Cancelled | FailureKind::Busy) => PlaceUse::Unknown,
                Some(_) => PlaceUse::StartFailed,
            },
        }
    }

    /// Returns the end of the part. `is_hopeless`: the model cannot be started on any server.
    pub(super) fn end(self, attempt: u32, is_hopeless: bool, hint: impl FnOnce(&Outcome) -> Option<String>) -> PartEnd {
        let Self { outcome, sent, answered, refused } = self;
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(PartFailure { kind, message, hint }) => {
                let cause = cause_unattempted(kind);
                let is_retryable = cause == PartCause::Unreachable;
                return PartEnd {
                    cause,
                    status: Status::Failed,
                    kind: Some(kind),
                    exit_code: None,
                    server: None,
                    attempt,
                    taken: 0,
                    message,
                    hint,
                    is_retryable,
                };
            }
        };
        let cause = match (cause(&outcome, is_hopeless), &refused) {
            (PartCause::Done, Some(_)) => PartCause::Failed,
            (cause, _) => cause,
        };
        let hint = match &outcome.cause {
            Some(FailureCause::Relayed { hint }) => hint.clone(),
            _ => hint(&outcome),
        };
        let access = outcome.access;
        let is_unheard = access.protocol != "oneshot" && answered < sent && access.stdout_bytes == 0;
        let (message, kind) = match refused {
            Some(refused) if cause == PartCause::Failed => (refused, Some(FailureKind::Input)),
            _ => (access.error.unwrap_or_default(), outcome.failure),
        };
        PartEnd {
            is_retryable: cause == PartCause::Unreachable || (cause == PartCause::ProcessDied && is_unheard),
            cause,
            status: if kind == outcome.failure { access.status } else { Status::Failed },
            kind,
            exit_code: access.exit_code,
            server: Some(access.server),
            attempt: access.attempt,
            taken: sent,
            message,
            hint,
        }
    }
}

/// Whether a process was ready for the part.
fn was_ready(outcome: &Outcome) -> bool {
    outcome.access.run_ms.is_some()
}

fn cause(outcome: &Outcome, is_hopeless: bool) -> PartCause {
    let Some(kind) = outcome.failure else { return PartCause::Done };
    match kind {
        FailureKind::Unreachable => PartCause::Unreachable,
        // Nothing was free in time, or the process was stopped.
        FailureKind::Busy => PartCause::Unreachable,
        FailureKind::Cancelled | FailureKind::ReaderGone => PartCause::Cancelled,
        _ if !was_ready(outcome) => match is_hopeless {
            true => PartCause::Fatal,
            // Another server may have the model, or this one later.
            false => PartCause::Unreachable,
        },
        FailureKind::ModelFailed if outcome.access.protocol == "oneshot" => PartCause::Failed,
        FailureKind::ModelFailed => PartCause::ProcessDied,
        FailureKind::Protocol => PartCause::ProtocolBroken,
        // The job is that of several items, or of a process of several items.
        FailureKind::Timeout if matches!(outcome.cause, Some(FailureCause::JobEnded(_))) => PartCause::ProcessDied,
        FailureKind::Timeout => PartCause::TimedOut,
        FailureKind::Input => PartCause::Failed,
        _ => PartCause::Fatal,
    }
}

fn cause_unattempted(kind: FailureKind) -> PartCause {
    match kind {
        FailureKind::Input => PartCause::Failed,
        FailureKind::Busy | FailureKind::Unreachable => PartCause::Unreachable,
        FailureKind::Cancelled => PartCause::Cancelled,
        _ => PartCause::Fatal,
    }
}
