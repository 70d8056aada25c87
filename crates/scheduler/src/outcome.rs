//! From how a run ended to its status, its exit code and the sentence that explains it.

use mer_core::{Access, Exit, ExitCode, Shortage, Status, signal_name, with_causes};
use mer_meal::{EndCause, RequestEnd, SshError, StartError, WarmError};

use crate::{request::Undelivered, weights::DeliveryError};

/// A run that is over and on record.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What is on record.
    pub access: Access,
    /// The exit code of `mer` for it.
    pub code: u8,
    /// What to try next, where there is something.
    pub hint: Option<String>,
}

impl Outcome {
    /// The exit code for `--passthrough`: the model's own, or 128 and its signal, where the model ended by itself.
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

/// How an attempt is judged.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) status: Status,
    pub(crate) code: u8,
    pub(crate) error: Option<String>,
    pub(crate) hint: Option<String>,
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
    fn new(status: Status, code: u8, error: impl Into<String>) -> Self {
        Self { status, code, error: Some(error.into()), hint: None, elsewhere: false }
    }

    pub(crate) fn succeeded() -> Self {
        Self { status: Status::Succeeded, code: ExitCode::OK, error: None, hint: None, elsewhere: false }
    }

    /// Cancelled before there was a process.
    pub(crate) fn cancelled_before() -> Self {
        Self::new(Status::Cancelled, ExitCode::SIGINT, EndCause::Cancelled.to_string())
    }

    /// The input did not come whole, and nothing of it was sent.
    pub(crate) fn not_collected(end: &EndCause) -> Self {
        match end {
            EndCause::Timeout { .. } => {
                Self::new(Status::Timeout, ExitCode::TIMEOUT, format!("{end}, before the whole input had come"))
            }
            EndCause::Cancelled => Self::cancelled_before(),
            _ => Self::new(Status::Failed, ExitCode::IO, end.to_string()),
        }
    }

    /// The same, where the output has reached its reader; otherwise it was no success, whatever the model says.
    pub(crate) fn delivered(self, output: Result<(), Undelivered>) -> Self {
        // A reader that has gone, as the model's end tells it, may be a file that could not be written.
        let hides = self.status == Status::Succeeded || self.code == ExitCode::SIGPIPE;
        match output {
            Err(Undelivered { code: ExitCode::IO, said }) if hides => Self::new(Status::Failed, ExitCode::IO, said),
            // It was ended because its reader was gone, or did not take all of its output.
            Err(Undelivered { code, said }) if hides => Self::new(Status::Cancelled, code, said),
            _ => self,
        }
    }

    /// The model has answered, and its output was not taken before a bound or a signal ended the wait for that.
    pub(crate) fn not_taken(cancelled: bool) -> Self {
        if cancelled {
            return Self::new(Status::Cancelled, ExitCode::SIGINT, "cancelled, before its output was taken");
        }
        Self::new(Status::Timeout, ExitCode::TIMEOUT, "`timeout` ran out before its output was taken")
    }

    /// Cancelled while the process was being started: the start was given up, and what of it there was is killed.
    pub(crate) fn cancelled_at_start(access: &Access, there: There) -> Self {
        let unverified = unverified(&access.server, there, None);
        Self::new(Status::Cancelled, ExitCode::SIGINT, format!("{}{unverified}", EndCause::Cancelled))
    }

    /// There is no connection.
    pub(crate) fn not_connected(server: &str, error: &SshError) -> Self {
        let code = error.exit_code();
        // What this machine is short of, or has registered, says nothing of the other one.
        let here = matches!(code, ExitCode::CONFIG | ExitCode::BUSY | ExitCode::IO);
        let status = if here { Status::Failed } else { Status::Unreachable };
        let verdict = Self::new(status, code, with_causes(error));
        Self { hint: error.hint(server), elsewhere: status == Status::Unreachable, ..verdict }
    }

    /// The process that serves one request has ended, and its exit is the verdict.
    pub(crate) fn of_oneshot(access: &mut Access, ended: &RequestEnd, there: There) -> Self {
        count(access, ended);
        match (&ended.cause, ended.exit) {
            (EndCause::Done, Some(Exit::Code(0))) => Self::succeeded(),
            (EndCause::Done, Some(Exit::Lost)) => Self::lost(ended),
            (EndCause::Done, Some(exit)) => {
                Self::new(Status::Failed, ExitCode::MODEL_FAILED, format!("the model {exit}"))
            }
            (EndCause::Done, None) => {
                Self::new(Status::Failed, ExitCode::MODEL_FAILED, "nobody saw how the model ended")
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
    pub(crate) fn not_delivered(server: &str, error: &DeliveryError) -> Self {
        let status = match error {
            DeliveryError::Cancelled => return Self::cancelled_before(),
            DeliveryError::Start(StartError::Ssh(error)) => return Self::not_connected(server, error),
            DeliveryError::Lost { .. } => Status::Unreachable,
            _ => Status::Failed,
        };
        // Nothing of the request has happened there.
        let elsewhere = status == Status::Unreachable;
        Self { hint: error.hint(), elsewhere, ..Self::new(status, error.exit_code(), with_causes(error)) }
    }

    /// The process could not be started.
    pub(crate) fn not_started(server: &str, error: &StartError) -> Self {
        if let StartError::Ssh(error) = error {
            let verdict = Self::not_connected(server, error);
            // Here nobody knows how far it has come.
            let unclear = matches!(error, SshError::ConnectionLost { .. } | SshError::StartTimedOut { .. });
            return Self { elsewhere: verdict.elsewhere && !unclear, ..verdict };
        }
        let hint = Shortage::of(error).map(|shortage| shortage.hint().to_owned());
        Self {
            hint,
            ..Self::new(Status::Failed, error.exit_code(), format!("on server `{server}`: {}", with_causes(error)))
        }
    }

    /// A failure of a kind that this version does not know.
    pub(crate) fn broken(error: &WarmError) -> Self {
        Self::new(Status::Failed, ExitCode::BUG, with_causes(error))
    }

    /// The connection was lost, and with it the end.
    fn lost(ended: &RequestEnd) -> Self {
        let why = ended.lost.as_deref().unwrap_or("the connection was lost");
        let verdict =
            Self::new(Status::Unreachable, ExitCode::UNREACHABLE, format!("how the model ended is not known: {why}"));
        Self { hint: Some("what still runs there ends by itself when `orphanAfter` has passed".to_owned()), ..verdict }
    }

    fn of_end(access: &Access, ended: &RequestEnd, there: There) -> Self {
        let said = format!("{}{}", ended.cause, left_behind(&access.server, ended, there));
        match &ended.cause {
            EndCause::Timeout { hint, .. } => {
                Self { hint: hint.map(str::to_owned), ..Self::new(Status::Timeout, ExitCode::TIMEOUT, said) }
            }
            EndCause::Cancelled => Self::new(Status::Cancelled, ExitCode::SIGINT, said),
            EndCause::ReaderGone => Self::new(Status::Cancelled, ExitCode::SIGPIPE, said),
            EndCause::InputFailed(_) => Self::new(Status::Failed, ExitCode::IO, said),
            EndCause::ProtocolBroken(_) => Self::new(Status::Failed, ExitCode::PROTOCOL, said),
            _ if ended.exit == Some(Exit::Lost) => Self::lost(ended),
            _ => {
                let said = ended.exit.map_or(said, |exit| format!("the model {exit} in the middle of the request"));
                Self::new(Status::Failed, ExitCode::MODEL_FAILED, said)
            }
        }
    }

    /// Writes the verdict into the record, and gives the hint.
    pub(crate) fn write_to(&self, access: &mut Access) -> Option<String> {
        access.status = self.status;
        access.error.clone_from(&self.error);
        self.hint.clone()
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
