//! The JSON that hooks get as their input.

use mer_core::{Access, AccessKind, FailureKind, Status, redacted};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{errors::CliError, ui::Ui};

/// What is to be run.
#[derive(Debug, Clone, Copy)]
pub(in crate::commands) struct Subject<'a> {
    pub(in crate::commands) model: &'a str,
    /// `None` for a batch.
    pub(in crate::commands) kind: Option<AccessKind>,
}

/// What is over, as far as it came.
#[derive(Debug, Default)]
pub(crate) enum Ended {
    /// Nothing is on record.
    #[default]
    Unrecorded,
    /// A run, as it is on record.
    Run(Box<Access>),
    /// A batch: its summary as JSON.
    Batch(Value),
}

/// The JSON of what failed before it was on record.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Unrecorded<'a> {
    request_uid: Option<Uuid>,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<AccessKind>,
    status: Status,
    error: String,
}

impl Ended {
    /// Takes note of a run that is on record.
    pub(in crate::commands) fn run(access: &Access) -> Self {
        Self::Run(Box::new(access.clone()))
    }

    /// Whether it has not succeeded. `outcome` is that of the command.
    pub(super) fn is_failure(&self, outcome: &Result<u8, CliError>) -> bool {
        match self {
            Self::Run(access) => access.status.is_failure(),
            Self::Unrecorded | Self::Batch(_) => outcome.is_err(),
        }
    }

    /// Returns it as a line of JSON; `None` where nothing was begun.
    pub(super) fn line(&self, subject: Subject<'_>, outcome: &Result<u8, CliError>, ui: Ui) -> Option<Vec<u8>> {
        match (self, outcome) {
            (Self::Run(access), _) => ui.json_line(&**access).ok(),
            (Self::Batch(summary), outcome) => {
                ui.json_line(&with_status(summary.clone(), subject.model, outcome.as_ref().err())).ok()
            }
            // The command line is wrong, so nothing was begun.
            (Self::Unrecorded, Err(error)) if error.kind() == FailureKind::Usage => None,
            (Self::Unrecorded, Err(error)) => {
                let unrecorded = Unrecorded {
                    request_uid: error.request_uid(),
                    model: subject.model,
                    kind: subject.kind,
                    status: status_of(error.kind()),
                    error: message(error),
                };
                ui.json_line(&unrecorded).ok()
            }
            (Self::Unrecorded, Ok(_)) => None,
        }
    }
}

/// Adds to the summary of a batch of what it was, and how it ended.
fn with_status(mut summary: Value, model: &str, error: Option<&CliError>) -> Value {
    summary["model"] = json!(model);
    summary["status"] = json!(error.map_or(Status::Succeeded, |error| status_of(error.kind())));
    summary["error"] = json!(error.map(message));
    summary
}

fn message(error: &CliError) -> String {
    redacted(&error.in_one_line())
}

/// Returns the status that a run has on record which ended with such a failure.
const fn status_of(kind: FailureKind) -> Status {
    match kind {
        FailureKind::Timeout => Status::Timeout,
        FailureKind::Cancelled | FailureKind::ReaderGone => Status::Cancelled,
        FailureKind::Unreachable => Status::Unreachable,
        _ => Status::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::Format;

    const SUBJECT: Subject<'_> = Subject { model: "m", kind: Some(AccessKind::Infer) };

    fn told(ended: &Ended, subject: Subject<'_>, outcome: &Result<u8, CliError>) -> Option<Value> {
        let line = ended.line(subject, outcome, Ui::new(Format::Text, true))?;
        Some(serde_json::from_slice(&line).expect("JSON"))
    }

    #[test]
    fn a_failure_before_the_record_is_told_without_secrets() {
        let failed = Err(CliError::io("cannot reach `ws://u:hunter2@h`", std::io::Error::other("gone")));
        let json = told(&Ended::default(), SUBJECT, &failed).expect("JSON");
        assert_eq!(
            json,
            json!({ "requestUid": null, "model": "m", "kind": "infer", "status": "failed",
                    "error": "cannot reach `ws://u:******@h`: gone" })
        );
        assert!(Ended::default().is_failure(&failed));
        let late = Err(CliError::new(FailureKind::Timeout, "late"));
        assert_eq!(told(&Ended::default(), SUBJECT, &late).expect("JSON")["status"], "timeout");
    }

    #[test]
    fn a_wrong_command_line_and_a_success_without_a_record_are_not_told() {
        assert_eq!(told(&Ended::default(), SUBJECT, &Err(CliError::usage("no"))), None);
        assert_eq!(told(&Ended::default(), SUBJECT, &Ok(0)), None);
    }

    #[test]
    fn a_batch_has_its_summary_and_its_end() {
        let batch = Ended::Batch(json!({ "failed": 2 }));
        let subject = Subject { kind: None, ..SUBJECT };
        let done = told(&batch, subject, &Ok(0)).expect("JSON");
        assert_eq!(done, json!({ "failed": 2, "model": "m", "status": "succeeded", "error": null }));
        let failed = Err(CliError::new(FailureKind::ModelFailed, "2 of 3 items failed"));
        let end = told(&batch, subject, &failed).expect("JSON");
        assert_eq!((&end["status"], &end["error"]), (&json!("failed"), &json!("2 of 3 items failed")));
        assert!(batch.is_failure(&failed) && !batch.is_failure(&Ok(0)));
    }
}
