//! Judges how a run ended: its status, the kind of its failure, and the sentence that explains it.

use std::sync::Arc;

use mer_core::{Access, Bound, Classified as _, Exit, FailureKind, Shortage, Status, signal_name, with_causes};
use mer_meal::{EndCause, JobEnd, JobEndKind, RequestEnd, SlurmError, SshError, StartError, WarmError};

use crate::{
    delivery::DeliveryError, failure_cause::FailureCause, output_confirmation::OutputFailure,
    placement::ProcessLocation,
};

/// A run that is over and recorded.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The recorded access.
    pub access: Access,
    /// Kind of the failure; `None` if the run succeeded.
    pub failure: Option<FailureKind>,
    /// Facts for a hint, if something can be done about the failure.
    pub cause: Option<FailureCause>,
}

impl Outcome {
    /// Returns the exit code of a model that failed by itself: its own, or 128 plus the number of its signal.
    #[must_use]
    pub fn model_exit_code(&self) -> Option<u8> {
        if self.failure != Some(FailureKind::ModelFailed) {
            return None;
        }
        let by_signal = self.access.signal.as_deref().and_then(signal_number).map(|number| 128 + number);
        self.access.exit_code.or(by_signal).and_then(|code| u8::try_from(code).ok())
    }

    /// Whether no process was started, for want of a passphrase or a password that another process may have.
    #[must_use]
    pub fn lacks_secret(&self) -> bool {
        matches!(&self.cause, Some(FailureCause::Ssh(error)) if error.lacks_secret())
    }

    /// Whether the model answered.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.access.status == Status::Succeeded
    }
}

/// Which kind of retry may help after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryKind {
    /// None.
    None,
    /// Another attempt after a failure of transport, or after the death of a process that was kept.
    Retry,
    /// Another attempt although the model itself has failed.
    RetryFailed,
}

/// The judgement on an attempt.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    pub(crate) status: Status,
    pub(crate) failure: Option<FailureKind>,
    pub(crate) error: Option<String>,
    pub(crate) cause: Option<FailureCause>,
    /// Whether another server may be tried, because nothing of the request has happened on this one.
    pub(crate) elsewhere: bool,
    /// Whether the process was one that is kept, and died before its reply began.
    pub(crate) died_unheard: bool,
}

impl Verdict {
    pub(crate) fn new(status: Status, failure: FailureKind, error: impl Into<String>) -> Self {
        Self {
            status,
            failure: Some(failure),
            error: Some(error.into()),
            cause: None,
            elsewhere: false,
            died_unheard: false,
        }
    }

    pub(crate) fn succeeded() -> Self {
        Self {
            status: Status::Succeeded,
            failure: None,
            error: None,
            cause: None,
            elsewhere: false,
            died_unheard: false,
        }
    }

    /// Returns which kind of retry may help.
    pub(crate) fn retry_kind(&self) -> RetryKind {
        match self.failure {
            Some(FailureKind::Unreachable) => RetryKind::Retry,
            Some(FailureKind::ModelFailed) if self.died_unheard => RetryKind::Retry,
            Some(FailureKind::ModelFailed | FailureKind::Protocol) => RetryKind::RetryFailed,
            _ => RetryKind::None,
        }
    }

    /// All processes of the model were busy for too long.
    pub(crate) fn queue_timeout(model: &str, server: &str, bound: Bound) -> Self {
        let why = format!("`queueTimeout` ran out after {bound}: the processes of `{model}` on `{server}` are busy");
        Self::new(Status::Timeout, FailureKind::Busy, why)
    }

    /// The process was stopped while it was started.
    pub(crate) fn stopped_at_start() -> Self {
        Self::new(Status::Cancelled, FailureKind::Busy, "the process was stopped before it was ready")
    }

    /// The process was stopped in the middle of the request.
    pub(crate) fn stopped() -> Self {
        let why = "the process was stopped in the middle of the request";
        Self::new(Status::Cancelled, FailureKind::Busy, why)
    }

    /// The run was cancelled before a process was started.
    pub(crate) fn cancelled_before() -> Self {
        Self::new(Status::Cancelled, FailureKind::Cancelled, EndCause::Cancelled.to_string())
    }

    /// The input did not arrive complete, and nothing of it was sent.
    pub(crate) fn not_collected(end: &EndCause) -> Self {
        match end {
            EndCause::Timeout { .. } => {
                Self::new(Status::Timeout, FailureKind::Timeout, format!("{end}, before the whole input had arrived"))
            }
            EndCause::Cancelled => Self::cancelled_before(),
            _ => Self::new(Status::Failed, FailureKind::Io, end.to_string()),
        }
    }

    /// Returns the verdict that also counts whether the output was written. A run whose output was not has not succeeded.
    pub(crate) fn with_output(self, output: Result<(), OutputFailure>) -> Self {
        // A model that ended because its reader was gone may have had a file as its reader that could not be written.
        let hides = self.status == Status::Succeeded || self.failure == Some(FailureKind::ReaderGone);
        match output {
            Err(OutputFailure { kind: FailureKind::Io, message }) if hides => {
                Self::new(Status::Failed, FailureKind::Io, message)
            }
            // The reader was gone, or did not take all of the output.
            Err(OutputFailure { kind, message }) if hides => Self::new(Status::Cancelled, kind, message),
            _ => self,
        }
    }

    /// The model has answered, but a bound or a signal ended the wait until its output was read.
    pub(crate) fn output_not_taken(cancelled: bool) -> Self {
        if cancelled {
            return Self::new(Status::Cancelled, FailureKind::Cancelled, "cancelled before its output was read");
        }
        Self::new(Status::Timeout, FailureKind::Timeout, "`timeout` ran out before its output was read")
    }

    /// The run was cancelled while its process was being started. What was started of it is killed.
    pub(crate) fn cancelled_at_start(access: &Access, location: ProcessLocation) -> Self {
        let unverified = unverified(&access.server, location, None);
        Self::new(Status::Cancelled, FailureKind::Cancelled, format!("{}{unverified}", EndCause::Cancelled))
    }

    /// The server could not be connected to.
    pub(crate) fn not_connected(error: &SshError) -> Self {
        let kind = error.failure_kind();
        // A shortage on this machine, or a wrong registration, does not mean that the server is unreachable.
        let is_local = matches!(kind, FailureKind::Config | FailureKind::Busy | FailureKind::Io);
        let status = if is_local { Status::Failed } else { Status::Unreachable };
        let cause = Some(FailureCause::Ssh(error.clone()));
        Self { cause, elsewhere: status == Status::Unreachable, ..Self::new(status, kind, with_causes(error)) }
    }

    /// The process of one request has ended, and its exit decides.
    pub(crate) fn of_oneshot(access: &mut Access, ended: &RequestEnd, location: ProcessLocation) -> Self {
        write_counts(access, ended);
        if let (EndCause::Done, Some(end)) = (&ended.cause, &ended.job_end) {
            return Self::job_ended(end);
        }
        match (&ended.cause, ended.exit) {
            (EndCause::Done, Some(Exit::Code(0))) => Self::succeeded(),
            (EndCause::Done, Some(Exit::Lost)) => Self::lost(ended),
            (EndCause::Done, Some(exit)) => {
                Self::new(Status::Failed, FailureKind::ModelFailed, format!("the model {exit}"))
            }
            (EndCause::Done, None) => {
                Self::new(Status::Failed, FailureKind::ModelFailed, "the end of the model was not observed")
            }
            _ => Self::of_end(access, ended, location),
        }
    }

    /// A process that stays up has replied, or failed to.
    pub(crate) fn of_reply(access: &mut Access, ended: &RequestEnd, location: ProcessLocation) -> Self {
        write_counts(access, ended);
        if ended.cause == EndCause::Done { Self::succeeded() } else { Self::of_end(access, ended, location) }
    }

    /// A process that stays up did not become ready.
    pub(crate) fn not_ready(access: &mut Access, ended: &RequestEnd, location: ProcessLocation) -> Self {
        write_counts(access, ended);
        let mut verdict = Self::of_end(access, ended, location);
        if let (EndCause::Died, Some(exit @ (Exit::Code(_) | Exit::Signal(_)))) = (&ended.cause, ended.exit) {
            verdict.error = Some(format!("the model {exit} before it was ready"));
        } else if matches!(ended.cause, EndCause::Died | EndCause::Timeout { .. }) {
            verdict.error = verdict.error.map(|error| format!("before it was ready: {error}"));
        }
        verdict
    }

    /// The weights could not be delivered to the server.
    pub(crate) fn not_delivered(error: DeliveryError) -> Self {
        let status = match &error {
            DeliveryError::Cancelled => return Self::cancelled_before(),
            DeliveryError::Start(StartError::Ssh(error)) => return Self::not_connected(error),
            DeliveryError::Lost { .. } => Status::Unreachable,
            DeliveryError::Start(StartError::Launcher(error)) if error.failure_kind() == FailureKind::Unreachable => {
                Status::Unreachable
            }
            _ => Status::Failed,
        };
        // Nothing of the request has happened on the server.
        let elsewhere = status == Status::Unreachable;
        let verdict = Self::new(status, error.failure_kind(), with_causes(&error));
        Self { cause: Some(FailureCause::Delivery(Arc::new(error))), elsewhere, ..verdict }
    }

    /// The process could not be started.
    pub(crate) fn not_started(server: &str, error: &StartError) -> Self {
        if let StartError::Ssh(error) = error {
            let verdict = Self::not_connected(error);
            // The start may have succeeded.
            let unclear = matches!(error, SshError::ConnectionLost { .. } | SshError::StartTimedOut { .. });
            return Self { elsewhere: verdict.elsewhere && !unclear, ..verdict };
        }
        let why = format!("on server `{server}`: {}", with_causes(error));
        if let StartError::Slurm(error) = error {
            let status = match error {
                SlurmError::QueueTimeout { .. } => Status::Timeout,
                SlurmError::Unreachable { .. } => Status::Unreachable,
                SlurmError::BatchEnds => Status::Cancelled,
                _ => Status::Failed,
            };
            let (elsewhere, cause) = (status == Status::Unreachable, Some(FailureCause::Slurm(error.clone())));
            return Self { elsewhere, cause, ..Self::new(status, error.failure_kind(), why) };
        }
        if let StartError::Launcher(error) = error {
            let is_away = error.failure_kind() == FailureKind::Unreachable;
            let status = if is_away { Status::Unreachable } else { Status::Failed };
            let elsewhere = is_away && error.started_nothing();
            return Self { elsewhere, ..Self::new(status, error.failure_kind(), why) };
        }
        let cause = Shortage::of(error).map(FailureCause::Shortage);
        Self { cause, ..Self::new(Status::Failed, error.failure_kind(), why) }
    }

    /// The job of the process has ended before the process did.
    fn job_ended(end: &JobEnd) -> Self {
        let (status, kind) = match end.kind {
            JobEndKind::TimeLimit => (Status::Timeout, FailureKind::Timeout),
            JobEndKind::NodeFailed => (Status::Failed, FailureKind::Unreachable),
            JobEndKind::Preempted | JobEndKind::Requeued => (Status::Failed, FailureKind::Busy),
            JobEndKind::Cancelled => (Status::Failed, FailureKind::Cancelled),
            _ => (Status::Failed, FailureKind::ModelFailed),
        };
        Self { cause: Some(FailureCause::JobEnded(end.clone())), ..Self::new(status, kind, end.to_string()) }
    }

    /// An error that this version does not know.
    pub(crate) fn broken(error: &WarmError) -> Self {
        Self::new(Status::Failed, FailureKind::Bug, with_causes(error))
    }

    /// The connection was lost, so how the process ended is not known.
    fn lost(ended: &RequestEnd) -> Self {
        let why = ended.lost.as_deref().unwrap_or("the connection was lost");
        let verdict = Self::new(
            Status::Unreachable,
            FailureKind::Unreachable,
            format!("how the model ended is not known: {why}"),
        );
        Self { cause: Some(FailureCause::ConnectionLost), ..verdict }
    }

    fn of_end(access: &Access, ended: &RequestEnd, location: ProcessLocation) -> Self {
        let message = format!("{}{}", ended.cause, left_behind(&access.server, ended, location));
        match &ended.cause {
            EndCause::Timeout { no_reply, .. } => {
                let cause = no_reply.map(FailureCause::NoReply);
                Self { cause, ..Self::new(Status::Timeout, FailureKind::Timeout, message) }
            }
            EndCause::Cancelled => Self::new(Status::Cancelled, FailureKind::Cancelled, message),
            EndCause::ReaderGone => Self::new(Status::Cancelled, FailureKind::ReaderGone, message),
            EndCause::InputFailed(_) => Self::new(Status::Failed, FailureKind::Io, message),
            EndCause::ProtocolBroken(_) => Self::new(Status::Failed, FailureKind::Protocol, message),
            EndCause::Died if let Some(end) = &ended.job_end => Self::job_ended(end),
            _ if ended.exit == Some(Exit::Lost) => Self::lost(ended),
            _ => {
                let died = |exit| format!("the model {exit} in the middle of the request");
                Self::new(Status::Failed, FailureKind::ModelFailed, ended.exit.map_or(message, died))
            }
        }
    }

    /// Writes status and error into the access.
    pub(crate) fn write_to(&self, access: &mut Access) {
        access.status = self.status;
        access.error.clone_from(&self.error);
    }
}

/// Returns whether a process that was terminated on another machine is gone, as the end of a sentence. Empty if the process
/// was on this machine or was not terminated.
fn left_behind(server: &str, ended: &RequestEnd, location: ProcessLocation) -> String {
    let was_terminated = matches!(
        ended.cause,
        EndCause::Cancelled
            | EndCause::Timeout { .. }
            | EndCause::ReaderGone
            | EndCause::ProtocolBroken(_)
            | EndCause::InputFailed(_)
    );
    match (location, ended.exit) {
        (ProcessLocation::Local | ProcessLocation::Serving, _) => String::new(),
        _ if !was_terminated => String::new(),
        (ProcessLocation::Remote, Some(Exit::Code(_) | Exit::Signal(_))) => {
            format!("; its process on `{server}` is gone")
        }
        (ProcessLocation::Remote, _) => unverified(server, location, ended.lost.as_deref()),
    }
}

fn unverified(server: &str, location: ProcessLocation, why: Option<&str>) -> String {
    if location != ProcessLocation::Remote {
        return String::new();
    }
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    format!("; it could not be verified that its process on `{server}` is gone{why}")
}

/// Writes exit, byte counts and the end of stderr into the access.
fn write_counts(access: &mut Access, ended: &RequestEnd) {
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

    /// Returns an access that has just begun.
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
