//! The failure of a run, as a command reports it.

use mer_core::{Access, AccessKind, FailureKind, Status};
use mer_scheduler::Outcome;

use crate::{
    errors::CliError,
    signal::Signal,
    ui::{Format, Ui},
};

/// Makes the error of a run that did not succeed. `signal` is the one that cancelled it.
pub(super) fn failure(outcome: &Outcome, signal: Option<Signal>, hint: Option<String>, ui: Ui) -> CliError {
    let Access { model, server, status, error, request_uid, stderr_tail, .. } = &outcome.access;
    let mut why = error.clone().unwrap_or_else(|| "it did not succeed".to_owned());
    if let (Status::Cancelled, Some(signal)) = (status, signal) {
        let rest = why.strip_prefix("cancelled").unwrap_or_default();
        why = format!("cancelled by {signal}{rest}");
    }
    if outcome.access.kind == AccessKind::Train {
        why.push_str("; no version was made");
    }
    let message = format!("`{model}` on `{server}`: {why}");
    let mut failure = match (outcome.failure, signal) {
        (Some(FailureKind::Cancelled), Some(signal)) => CliError::by_signal(signal, message),
        (kind, _) => CliError::new(kind.unwrap_or(FailureKind::ModelFailed), message),
    };
    if ui.format() == Format::Quiet && !stderr_tail.is_empty() {
        failure = failure.saying(stderr_tail);
    }
    hint.into_iter()
        .fold(failure, CliError::hint)
        .hint(format!("`mer log show {request_uid}` has all that is known of this run"))
}

/// Keeps the first failure, with which the command ends, and shows a further one.
pub(super) fn keep_first(first: &mut Option<CliError>, failure: CliError, ui: Ui) {
    match first {
        None => *first = Some(failure),
        Some(_) => ui.error(&failure),
    }
}
