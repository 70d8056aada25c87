//! From how a run ended to its status, its exit code and the sentence that explains it.

use std::error::Error;

use mer_core::{Access, Exit, ExitCode, Status, signal_name};
use mer_meal::{End, Ended, StartError, WarmError};

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
}

impl Verdict {
    fn new(status: Status, code: u8, error: impl Into<String>) -> Self {
        Self { status, code, error: Some(error.into()), hint: None }
    }

    pub(crate) fn succeeded() -> Self {
        Self { status: Status::Succeeded, code: ExitCode::OK, error: None, hint: None }
    }

    /// The process that serves one request has ended, and its exit is the verdict.
    pub(crate) fn of_oneshot(access: &mut Access, ended: &Ended) -> Self {
        count(access, ended);
        match (&ended.end, ended.exit) {
            (End::Done, Some(Exit::Code(0))) => Self::succeeded(),
            (End::Done, Some(exit)) => Self::new(Status::Failed, ExitCode::MODEL_FAILED, format!("the model {exit}")),
            (End::Done, None) => Self::new(Status::Failed, ExitCode::MODEL_FAILED, "nobody saw how the model ended"),
            _ => Self::of_end(ended),
        }
    }

    /// A process that stays up has replied, or not.
    pub(crate) fn of_reply(access: &mut Access, ended: &Ended) -> Self {
        count(access, ended);
        if ended.end == End::Done { Self::succeeded() } else { Self::of_end(ended) }
    }

    /// A process that stays up did not become ready.
    pub(crate) fn not_ready(access: &mut Access, ended: &Ended) -> Self {
        count(access, ended);
        let mut verdict = Self::of_end(ended);
        if matches!(ended.end, End::Died | End::Timeout { .. }) {
            verdict.error = verdict.error.map(|error| format!("before it was ready: {error}"));
        }
        verdict
    }

    /// The process could not be started.
    pub(crate) fn not_started(server: &str, error: &StartError) -> Self {
        Self::new(Status::Failed, ExitCode::CONFIG, format!("on server `{server}`: {}", chain(error)))
    }

    /// A failure of a kind that this version does not know.
    pub(crate) fn broken(error: &WarmError) -> Self {
        Self::new(Status::Failed, ExitCode::BUG, chain(error))
    }

    fn of_end(ended: &Ended) -> Self {
        let said = ended.end.to_string();
        match &ended.end {
            End::Timeout { hint, .. } => {
                Self { hint: hint.map(str::to_owned), ..Self::new(Status::Timeout, ExitCode::TIMEOUT, said) }
            }
            End::Cancelled => Self::new(Status::Cancelled, ExitCode::SIGINT, said),
            End::ReaderGone => Self::new(Status::Cancelled, ExitCode::SIGPIPE, said),
            End::ProtocolBroken(_) => Self::new(Status::Failed, ExitCode::PROTOCOL, said),
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

/// What was counted, into the record.
fn count(access: &mut Access, ended: &Ended) {
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

/// An error and its causes in one line, for the log.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
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
