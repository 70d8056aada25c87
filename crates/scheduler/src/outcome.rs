//! Judges how a run ended: its status, its exit code, and the sentence that explains it.

use mer_core::{Access, Exit, ExitCode, Shortage, Status, signal_name, with_causes};
use mer_meal::{End, Ended, SshError, StartError, WarmError};

use crate::{delivery::DeliveryError, output_confirmation::OutputFailure, placement::ProcessLocation};

/// A run that is over and recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The recorded access.
    pub access: Access,
    /// Exit code of `mer`.
    pub code: u8,
    /// Suggestion what to try next, if there is one.
    pub hint: Option<String>,
}

impl Outcome {
    /// Returns the exit code for `--passthrough`. If the model failed by itself, it is the model's own, or 128 plus the number of
    /// its signal.
    #[must_use]
    pub fn passthrough_code(&self) -> u8 {
        if self.code != ExitCode::MODEL_FAILED {
            return self.code;
        }
        let by_signal = self.access.signal.as_deref().and_then(signal_number).map(|number| 128 + number);
        self.access.exit_code.or(by_signal).and_then(|code| u8::try_from(code).ok()).unwrap_or(self.code)
    }

    /// Whether the model answered.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.access.status == Status::Succeeded
    }
}

/// The judgement on an attempt.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) status: Status,
    pub(crate) code: u8,
    pub(crate) error: Option<String>,
    pub(crate) hint: Option<String>,
    /// Whether another server may be tried, because nothing of the request has happened on this one.
    pub(crate) elsewhere: bool,
}

impl Verdict {
    fn new(status: Status, code: u8, error: impl Into<String>) -> Self {
        Self { status, code, error: Some(error.into()), hint: None, elsewhere: false }
    }

    pub(crate) fn succeeded() -> Self {
        Self { status: Status::Succeeded, code: ExitCode::OK, error: None, hint: None, elsewhere: false }
    }

    /// The run was cancelled before a process was started.
    pub(crate) fn cancelled_before() -> Self {
        Self::new(Status::Cancelled, ExitCode::SIGINT, End::Cancelled.to_string())
    }

    /// The input did not arrive complete, and nothing of it was sent.
    pub(crate) fn not_collected(end: &End) -> Self {
        match end {
            End::Timeout { .. } => {
                Self::new(Status::Timeout, ExitCode::TIMEOUT, format!("{end}, before the whole input had arrived"))
            }
            End::Cancelled => Self::cancelled_before(),
            _ => Self::new(Status::Failed, ExitCode::IO, end.to_string()),
        }
    }

    /// Returns the verdict that also counts whether the output was written. A run whose output was not has not succeeded.
    pub(crate) fn with_output(self, output: Result<(), OutputFailure>) -> Self {
        // A model that ended because its reader was gone may have had a file as its reader that could not be written.
        let hides = self.status == Status::Succeeded || self.code == ExitCode::SIGPIPE;
        match output {
            Err(OutputFailure { code: ExitCode::IO, message }) if hides => {
                Self::new(Status::Failed, ExitCode::IO, message)
            }
            // The reader was gone, or did not take all of the output.
            Err(OutputFailure { code, message }) if hides => Self::new(Status::Cancelled, code, message),
            _ => self,
        }
    }

    /// The model has answered, but a bound or a signal ended the wait until its output was read.
    pub(crate) fn output_not_taken(cancelled: bool) -> Self {
        if cancelled {
            return Self::new(Status::Cancelled, ExitCode::SIGINT, "cancelled before its output was read");
        }
        Self::new(Status::Timeout, ExitCode::TIMEOUT, "`timeout` ran out before its output was read")
    }

    /// The run was cancelled while its process was being started. What was started of it is killed.
    pub(crate) fn cancelled_at_start(access: &Access, location: ProcessLocation) -> Self {
        let unverified = unverified(&access.server, location, None);
        Self::new(Status::Cancelled, ExitCode::SIGINT, format!("{}{unverified}", End::Cancelled))
    }

    /// The server could not be connected to.
    pub(crate) fn not_connected(server: &str, error: &SshError) -> Self {
        let code = error.exit_code();
        // A shortage on this machine, or a wrong registration, does not mean that the server is unreachable.
        let is_local = matches!(code, ExitCode::CONFIG | ExitCode::BUSY | ExitCode::IO);
        let status = if is_local { Status::Failed } else { Status::Unreachable };
        let verdict = Self::new(status, code, with_causes(error));
        Self { hint: error.remedy(server), elsewhere: status == Status::Unreachable, ..verdict }
    }

    /// The process of one request has ended, and its exit decides.
    pub(crate) fn of_oneshot(access: &mut Access, ended: &Ended, location: ProcessLocation) -> Self {
        write_counts(access, ended);
        match (&ended.end, ended.exit) {
            (End::Done, Some(Exit::Code(0))) => Self::succeeded(),
            (End::Done, Some(Exit::Lost)) => Self::lost(ended),
            (End::Done, Some(exit)) => Self::new(Status::Failed, ExitCode::MODEL_FAILED, format!("the model {exit}")),
            (End::Done, None) => {
                Self::new(Status::Failed, ExitCode::MODEL_FAILED, "the end of the model was not observed")
            }
            _ => Self::of_end(access, ended, location),
        }
    }

    /// A process that stays up has replied, or failed to.
    pub(crate) fn of_reply(access: &mut Access, ended: &Ended, location: ProcessLocation) -> Self {
        write_counts(access, ended);
        if ended.end == End::Done { Self::succeeded() } else { Self::of_end(access, ended, location) }
    }

    /// A process that stays up did not become ready.
    pub(crate) fn not_ready(access: &mut Access, ended: &Ended, location: ProcessLocation) -> Self {
        write_counts(access, ended);
        let mut verdict = Self::of_end(access, ended, location);
        if let (End::Died, Some(exit @ (Exit::Code(_) | Exit::Signal(_)))) = (&ended.end, ended.exit) {
            verdict.error = Some(format!("the model {exit} before it was ready"));
        } else if matches!(ended.end, End::Died | End::Timeout { .. }) {
            verdict.error = verdict.error.map(|error| format!("before it was ready: {error}"));
        }
        verdict
    }

    /// The weights could not be delivered to the server.
    pub(crate) fn not_delivered(server: &str, error: &DeliveryError) -> Self {
        let status = match error {
            DeliveryError::Cancelled => return Self::cancelled_before(),
            DeliveryError::Start(StartError::Ssh(error)) => return Self::not_connected(server, error),
            DeliveryError::Lost { .. } => Status::Unreachable,
            _ => Status::Failed,
        };
        // Nothing of the request has happened on the server.
        let elsewhere = status == Status::Unreachable;
        Self { hint: error.hint(), elsewhere, ..Self::new(status, error.exit_code(), with_causes(error)) }
    }

    /// The process could not be started.
    pub(crate) fn not_started(server: &str, error: &StartError) -> Self {
        if let StartError::Ssh(error) = error {
            let verdict = Self::not_connected(server, error);
            // The start may have succeeded.
            let unclear = matches!(error, SshError::ConnectionLost { .. } | SshError::StartTimedOut { .. });
            return Self { elsewhere: verdict.elsewhere && !unclear, ..verdict };
        }
        let hint = Shortage::of(error).map(|shortage| shortage.hint().to_owned());
        Self {
            hint,
            ..Self::new(Status::Failed, error.exit_code(), format!("on server `{server}`: {}", with_causes(error)))
        }
    }

    /// An error that this version does not know.
    pub(crate) fn broken(error: &WarmError) -> Self {
        Self::new(Status::Failed, ExitCode::BUG, with_causes(error))
    }

    /// The connection was lost, so how the process ended is not known.
    fn lost(ended: &Ended) -> Self {
        let why = ended.lost.as_deref().unwrap_or("the connection was lost");
        let verdict =
            Self::new(Status::Unreachable, ExitCode::UNREACHABLE, format!("how the model ended is not known: {why}"));
        Self { hint: Some("a process that still runs there ends when `orphanAfter` has passed".to_owned()), ..verdict }
    }

    fn of_end(access: &Access, ended: &Ended, location: ProcessLocation) -> Self {
        let message = format!("{}{}", ended.end, left_behind(&access.server, ended, location));
        match &ended.end {
            End::Timeout { hint, .. } => {
                Self { hint: hint.map(str::to_owned), ..Self::new(Status::Timeout, ExitCode::TIMEOUT, message) }
            }
            End::Cancelled => Self::new(Status::Cancelled, ExitCode::SIGINT, message),
            End::ReaderGone => Self::new(Status::Cancelled, ExitCode::SIGPIPE, message),
            End::InputFailed(_) => Self::new(Status::Failed, ExitCode::IO, message),
            End::ProtocolBroken(_) => Self::new(Status::Failed, ExitCode::PROTOCOL, message),
            _ if ended.exit == Some(Exit::Lost) => Self::lost(ended),
            _ => {
                let died = |exit| format!("the model {exit} in the middle of the request");
                Self::new(Status::Failed, ExitCode::MODEL_FAILED, ended.exit.map_or(message, died))
            }
        }
    }

    /// Writes the verdict into the access. Returns the hint.
    pub(crate) fn write_to(&self, access: &mut Access) -> Option<String> {
        access.status = self.status;
        access.error.clone_from(&self.error);
        self.hint.clone()
    }
}

/// Returns whether a process that was terminated on another machine is gone, as the end of a sentence. Empty if the process
/// was on this machine or was not terminated.
fn left_behind(server: &str, ended: &Ended, location: ProcessLocation) -> String {
    let was_terminated = matches!(
        ended.end,
        End::Cancelled | End::Timeout { .. } | End::ReaderGone | End::ProtocolBroken(_) | End::InputFailed(_)
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
fn write_counts(access: &mut Access, ended: &Ended) {
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

    fn outcome(code: u8, exit_code: Option<i32>, signal: Option<&str>) -> Outcome {
        let access = Access { exit_code, signal: signal.map(str::to_owned), ..access() };
        Outcome { access, code, hint: None }
    }

    #[test]
    fn passthrough_gives_the_models_own_verdict_and_keeps_mers() {
        assert_eq!(outcome(1, Some(3), None).passthrough_code(), 3);
        assert_eq!(outcome(1, None, Some("SIGKILL")).passthrough_code(), 137);
        assert_eq!(outcome(1, None, None).passthrough_code(), 1);
        assert_eq!(outcome(124, Some(3), None).passthrough_code(), 124);
        assert_eq!(outcome(0, Some(0), None).passthrough_code(), 0);
    }
}
