//! Turns the end of an attempt into its status, the kind of its failure, and the sentence that explains it.

use std::sync::Arc;

use mer_core::{Access, Classified as _, Exit, FailureKind, Shortage, Status, signal_name, with_causes};
use mer_meal::{EndCause, RequestEnd, SshError, StartError, WarmError};

use crate::{DeliveryError, FailureCause, request::Undelivered};

/// A run that is over and on record.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The record.
    pub access: Access,
    /// The kind of the failure; `None` where the run succeeded.
    pub failure: Option<FailureKind>,
    /// The facts for a hint, where there is something that can be done about the failure.
    pub cause: Option<FailureCause>,
}

impl Outcome {
    /// Returns the exit code of a model that failed by itself, or 128 and its signal, as a shell has it.
    #[must_use]
    pub fn model_exit_code(&self) -> Option<u8> {
        if self.failure != Some(FailureKind::ModelFailed) {
            return None;
        }
        let by_signal = self.access.signal.as_deref().and_then(signal_number).map(|number| 128 + number);
        self.access.exit_code.or(by_signal).and_then(|code| u8::try_from(code).ok())
    }

    /// Whether the model answered.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.access.status == Status::Succeeded
    }
}

/// How an attempt is judged.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) status: Status,
    pub(crate) failure: Option<FailureKind>,
    pub(crate) error: Option<String>,
    pub(crate) cause: Option<FailureCause>,
    /// Whether nothing of the request has happened there, so that another server may be tried.
    pub(crate) elsewhere: bool,
}

/// Where the process ran that was judged, as far as its end is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum There {
    /// On this machine.
    Here,
    /// On another one.
    Remote,
    /// On another one, where it goes on to serve.
    Serving,
}

impl Verdict {
    pub(crate) fn new(status: Status, failure: FailureKind, error: impl Into<String>) -> Self {
        Self { status, failure: Some(failure), error: Some(error.into()), cause: None, elsewhere: false }
    }

    pub(crate) fn succeeded() -> Self {
        Self { status: Status::Succeeded, failure: None, error: None, cause: None, elsewhere: false }
    }

    /// Cancelled before there was a process.
    pub(crate) fn cancelled_before() -> Self {
        Self::new(Status::Cancelled, FailureKind::Cancelled, EndCause::Cancelled.to_string())
    }

    /// The input did not come whole, and nothing of it was sent.
    pub(crate) fn not_collected(end: &EndCause) -> Self {
        match end {
            EndCause::Timeout { .. } => {
                Self::new(Status::Timeout, FailureKind::Timeout, format!("{end}, before the whole input had come"))
            }
            EndCause::Cancelled => Self::cancelled_before(),
            _ => Self::new(Status::Failed, FailureKind::Io, end.to_string()),
        }
    }

    /// The same, where the output has reached its reader; otherwise it was no success, whatever the model says.
    pub(crate) fn delivered(self, output: Result<(), Undelivered>) -> Self {
        // A reader that has gone, as the model's end tells it, may be a file that could not be written.
        let hides = self.status == Status::Succeeded || self.failure == Some(FailureKind::ReaderGone);
        match output {
            Err(Undelivered { kind: FailureKind::Io, said }) if hides => {
                Self::new(Status::Failed, FailureKind::Io, said)
            }
            // It was ended because its reader was gone, or did not take all of its output.
            Err(Undelivered { kind, said }) if hides => Self::new(Status::Cancelled, kind, said),
            _ => self,
        }
    }

    /// The model has answered, and its output was not taken before a bound or a signal ended the wait for that.
    pub(crate) fn not_taken(cancelled: bool) -> Self {
        if cancelled {
            return Self::new(Status::Cancelled, FailureKind::Cancelled, "cancelled, before its output was taken");
        }
        Self::new(Status::Timeout, FailureKind::Timeout, "`timeout` ran out before its output was taken")
    }

    /// Cancelled while the process was being started: the start was given up, and what of it there was is killed.
    pub(crate) fn cancelled_at_start(access: &Access, there: There) -> Self {
        let unverified = unverified(&access.server, there, None);
        Self::new(Status::Cancelled, FailureKind::Cancelled, format!("{}{unverified}", EndCause::Cancelled))
    }

    /// There is no connection.
    pub(crate) fn not_connected(error: &SshError) -> Self {
        let kind = error.failure_kind();
        // What this machine is short of, or has registered, says nothing of the other one.
        let here = matches!(kind, FailureKind::Config | FailureKind::Busy | FailureKind::Io);
        let status = if here { Status::Failed } else { Status::Unreachable };
        let cause = Some(FailureCause::Ssh(error.clone()));
        Self { cause, elsewhere: status == Status::Unreachable, ..Self::new(status, kind, with_causes(error)) }
    }

    /// The process that serves one request has ended, and its exit is the verdict.
    pub(crate) fn of_oneshot(access: &mut Access, ended: &RequestEnd, there: There) -> Self {
        count(access, ended);
        match (&ended.cause, ended.exit) {
            (EndCause::Done, Some(Exit::Code(0))) => Self::succeeded(),
            (EndCause::Done, Some(Exit::Lost)) => Self::lost(ended),
            (EndCause::Done, Some(exit)) => {
                Self::new(Status::Failed, FailureKind::ModelFailed, format!("the model {exit}"))
            }
            (EndCause::Done, None) => {
                Self::new(Status::Failed, FailureKind::ModelFailed, "the end of the model was not observed")
            }
            _ => Self::of_end(access, ended, there),
        }
    }

    /// A process that stays up has replied, or not.
    pub(crate) fn of_reply(access: &mut Access, ended: &RequestEnd, there: There) -> Self {
        count(access, ended);
        if ended.cause == EndCause::Done { Self::succeeded() } else { Self::of_end(access, ended, there) }
    }

    /// A process that stays up did not become ready.
    pub(crate) fn not_ready(access: &mut Access, ended: &RequestEnd, there: There) -> Self {
        count(access, ended);
        let mut verdict = Self::of_end(access, ended, there);
        if let (EndCause::Died, Some(exit @ (Exit::Code(_) | Exit::Signal(_)))) = (&ended.cause, ended.exit) {
            verdict.error = Some(format!("the model {exit} before it was ready"));
        } else if matches!(ended.cause, EndCause::Died | EndCause::Timeout { .. }) {
            verdict.error = verdict.error.map(|error| format!("before it was ready: {error}"));
        }
        verdict
    }

    /// The weights are not where the process was to run.
    pub(crate) fn not_delivered(error: DeliveryError) -> Self {
        let status = match &error {
            DeliveryError::Cancelled => return Self::cancelled_before(),
            DeliveryError::Start(StartError::Ssh(error)) => return Self::not_connected(error),
            DeliveryError::Lost { .. } => Status::Unreachable,
            _ => Status::Failed,
        };
        // Nothing of the request has happened there.
        let elsewhere = status == Status::Unreachable;
        let verdict = Self::new(status, error.failure_kind(), with_causes(&error));
        Self { cause: Some(FailureCause::Delivery(Arc::new(error))), elsewhere, ..verdict }
    }

    /// The process could not be started.
    pub(crate) fn not_started(server: &str, error: &StartError) -> Self {
        if let StartError::Ssh(error) = error {
            let verdict = Self::not_connected(error);
            // Here nobody knows how far it has come.
            let unclear = matches!(error, SshError::ConnectionLost { .. } | SshError::StartTimedOut { .. });
            return Self { elsewhere: verdict.elsewhere && !unclear, ..verdict };
        }
        let why = format!("on server `{server}`: {}", with_causes(error));
        let cause = Shortage::of(error).map(FailureCause::Shortage);
        Self { cause, ..Self::new(Status::Failed, error.failure_kind(), why) }
    }

    /// A failure of a kind that this version does not know.
    pub(crate) fn broken(error: &WarmError) -> Self {
        Self::new(Status::Failed, FailureKind::Bug, with_causes(error))
    }

    /// The connection was lost, and with it the end.
    fn lost(ended: &RequestEnd) -> Self {
        let why = ended.lost.as_deref().unwrap_or("the connection was lost");
        let verdict = Self::new(
            Status::Unreachable,
            FailureKind::Unreachable,
            format!("how the model ended is not known: {why}"),
        );
        Self { cause: Some(FailureCause::ConnectionLost), ..verdict }
    }

    fn of_end(access: &Access, ended: &RequestEnd, there: There) -> Self {
        let said = format!("{}{}", ended.cause, left_behind(&access.server, ended, there));
        match &ended.cause {
            EndCause::Timeout { no_reply, .. } => {
                let cause = no_reply.map(FailureCause::NoReply);
                Self { cause, ..Self::new(Status::Timeout, FailureKind::Timeout, said) }
            }
            EndCause::Cancelled => Self::new(Status::Cancelled, FailureKind::Cancelled, said),
            EndCause::ReaderGone => Self::new(Status::Cancelled, FailureKind::ReaderGone, said),
            EndCause::InputFailed(_) => Self::new(Status::Failed, FailureKind::Io, said),
            EndCause::ProtocolBroken(_) => Self::new(Status::Failed, FailureKind::Protocol, said),
            _ if ended.exit == Some(Exit::Lost) => Self::lost(ended),
            _ => {
                let said = ended.exit.map_or(said, |exit| format!("the model {exit} in the middle of the request"));
                Self::new(Status::Failed, FailureKind::ModelFailed, said)
            }
        }
    }

    /// Writes status and error into the record.
    pub(crate) fn write_to(&self, access: &mut Access) {
        access.status = self.status;
        access.error.clone_from(&self.error);
    }
}

/// Whether something of a process that was told to end may still run on another machine: that must not be left unsaid.
fn left_behind(server: &str, ended: &RequestEnd, there: There) -> String {
    let was_told = matches!(
        ended.cause,
        EndCause::Cancelled
            | EndCause::Timeout { .. }
            | EndCause::ReaderGone
            | EndCause::ProtocolBroken(_)
            | EndCause::InputFailed(_)
    );
    match (there, ended.exit) {
        (There::Here | There::Serving, _) => String::new(),
        _ if !was_told => String::new(),
        (There::Remote, Some(Exit::Code(_) | Exit::Signal(_))) => format!("; its process on `{server}` is gone"),
        (There::Remote, _) => unverified(server, there, ended.lost.as_deref()),
    }
}

fn unverified(server: &str, there: There, why: Option<&str>) -> String {
    if there != There::Remote {
        return String::new();
    }
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    format!("; that its process on `{server}` is gone could not be verified{why}")
}

/// What was counted, into the record.
fn count(access: &mut Access, ended: &RequestEnd) {
    match ended.exit {
        Some(Exit::Code(code)) => access.exit_code = Some(code),
        Some(Exit::Signal(signal)) => access.signal = Some(signal_name(signal)),
        _ => {}
    }
    access.stdin_bytes = ended.stdin_bytes;
    access.stdout_bytes = ended.stdout_bytes;
    access.stderr_bytes = ended.stderr_bytes;
    access.stderr_tail = String::from_utf8_lossy(&ended.stderr_tail).into_owned();
}

fn signal_number(name: &str) -> Option<i32> {
    (1..=64).find(|number| signal_name(*number) == name)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An access that has just begun.
    pub(crate) fn access() -> Access {
        serde_json::from_str(
            r#"{"requestUid":"0190b6b5-0000-7000-8000-000000000001","attempt":1,"model":"iris","server":"local",
            "kind":"infer","protocol":"oneshot","weightsVersion":null,"weightsSha256":null,"caller":"ada@host",
            "callerPid":7,"startAccess":"2026-01-02T03:04:05.000006Z","stopAccess":null,"status":"started",
            "exitCode":null,"signal":null,"queueMs":null,"connectMs":null,"startMs":null,"runMs":null,"stdinBytes":0,
            "stdoutBytes":0,"stderrBytes":0,"stdinSha256":null,"stdoutSha256":null,"stderrTail":"","error":null}"#,
        )
        .expect("an access")
    }

    fn outcome(failure: Option<FailureKind>, exit_code: Option<i32>, signal: Option<&str>) -> Outcome {
        let access = Access { exit_code, signal: signal.map(str::to_owned), ..access() };
        Outcome { access, failure, cause: None }
    }

    #[test]
    fn only_a_model_that_failed_by_itself_has_an_exit_code_of_its_own() {
        let failed = Some(FailureKind::ModelFailed);
        assert_eq!(outcome(failed, Some(3), None).model_exit_code(), Some(3));
        assert_eq!(outcome(failed, None, Some("SIGKILL")).model_exit_code(), Some(137));
        assert_eq!(outcome(failed, None, None).model_exit_code(), None);
        assert_eq!(outcome(Some(FailureKind::Timeout), Some(3), None).model_exit_code(), None);
        assert_eq!(outcome(None, Some(0), None).model_exit_code(), None);
    }
}
