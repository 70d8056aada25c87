//! A process that stays up and serves many requests: `lines` and `token`.

use std::{ffi::OsStr, sync::Arc, time::Duration};

use bytes::BytesMut;
use mer_core::{Exit, Protocol, RunSpec, Tokens};
use tokio::task::JoinHandle;

use super::{
    StderrHook,
    framing::Framing,
    last_output::LastOutput,
    stderr_drain::StderrDrain,
    termination::{WarmTermination, reap},
    warm_pipes::ModelPipes,
};
use crate::{Cancel, Control, EndCause, Run, StartedJob};

/// A process that stays up. It serves one request at a time, and no output of a request that was given up reaches the next
/// one.
///
/// Dropping it kills the process group; [`WarmProcess::stop`] asks it to exit first. Must live within a tokio runtime.
#[derive(Debug)]
pub struct WarmProcess {
    /// The name of its model, for messages.
    pub(super) name: String,
    pub(super) control: Control,
    pub(super) pipes: ModelPipes,
    pub(super) stderr: Arc<StderrDrain>,
    drain: JoinHandle<()>,
    pub(super) tokens: Tokens,
    pub(super) grace: Duration,
    pub(super) start: Duration,
    pub(super) last_output: Arc<LastOutput>,
    /// The protocol is `lines` and there is no ready token, so that its first line may be anything.
    pub(super) unmarked: bool,
    /// Whether it has answered an item or a request.
    pub(super) has_answered: bool,
    /// Whether there may be another request.
    pub(super) reusable: bool,
    /// Set for good once the process cannot take another request; the cause with which such a request ends.
    pub(super) fault: Option<EndCause>,
    /// The job that it is, on a cluster.
    job: Option<StartedJob>,
}

impl WarmProcess {
    pub(super) fn new(run: Run, spec: &RunSpec, hook: Option<StderrHook>) -> Self {
        let Run { stdin, stdout, stderr, control, started_in, started_at, job } = run;
        let last_output = Arc::new(LastOutput::new(started_at));
        let stderr = Arc::new(StderrDrain::new(stderr, hook).noting(Arc::clone(&last_output)));
        let drain = tokio::spawn({
            let stderr = Arc::clone(&stderr);
            async move { stderr.run().await }
        });
        let framing = Framing::new(spec.protocol, &spec.tokens);
        let pipes = ModelPipes { stdin: Some(stdin), stdout, unread: BytesMut::new(), mid_line: false, framing };
        let (tokens, grace, start) = (spec.tokens.clone(), spec.bounds.grace, started_in);
        let name = spec.env.get(OsStr::new("MER_MODEL")).map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_else(|| format!("process {}", control.pid()));
        let unmarked = spec.protocol == Protocol::Lines && tokens.ready.is_none();
        let (has_answered, reusable, fault) = (false, true, None);
        Self {
            name,
            control,
            pipes,
            stderr,
            drain,
            tokens,
            grace,
            start,
            last_output,
            unmarked,
            has_answered,
            reusable,
            fault,
            job,
        }
    }

    /// The process ID; the process group has the same number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.control.pid()
    }

    /// The job that it is, on a cluster.
    #[must_use]
    pub const fn job(&self) -> Option<&StartedJob> {
        self.job.as_ref()
    }

    /// How long the start took, up to the ready token.
    #[must_use]
    pub const fn start_duration(&self) -> Duration {
        self.start
    }

    /// Whether it can take another request. False once it has ended, has closed its stdout, or has printed something
    /// without a request (on `lines`, that could be taken for a reply).
    pub fn is_alive(&mut self) -> bool {
        !self.control.has_ended() && self.check_idle().is_none()
    }

    /// Checks what the process did since the last request. Returns why it can take no other one, if it cannot.
    pub(super) fn check_idle(&mut self) -> Option<EndCause> {
        if self.fault.is_none() {
            self.fault = match self.pipes.check_idle() {
                Ok(true) => None,
                Ok(false) => Some(EndCause::Died),
                Err(what) => {
                    tracing::warn!("`{}`: {what}", self.name);
                    Some(EndCause::ProtocolBroken(what))
                }
            };
        }
        self.fault.clone()
    }

    /// TERM, the grace period, KILL.
    pub(super) async fn terminate(&mut self, cancel: &Cancel) -> Option<Exit> {
        self.fault = Some(EndCause::Died);
        let grace = self.grace;
        self.termination().terminate(grace, cancel).await
    }

    /// TERM, `grace`, KILL; does not reap.
    pub(super) async fn signal(&mut self, grace: Duration, cancel: &Cancel) {
        self.fault = Some(EndCause::Died);
        self.termination().signal(grace, cancel).await;
    }

    /// Reaps a process that has ended or is of no more use.
    pub(super) async fn reap(&mut self) -> Option<Exit> {
        self.termination().reap().await
    }

    /// Reaps a process that has ended, at once.
    pub(super) async fn reap_now(&mut self) -> Option<Exit> {
        reap(&mut self.control).await
    }

    fn termination(&mut self) -> WarmTermination<'_> {
        WarmTermination { control: &mut self.control, pipes: &mut self.pipes }
    }
}

impl Drop for WarmProcess {
    fn drop(&mut self) {
        self.drain.abort();
    }
}
