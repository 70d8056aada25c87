//! The steps of making a connection, each with its time.

use std::time::{Duration, Instant};

/// A step on the way to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepKind {
    /// Resolving the name.
    Resolve,
    /// Connecting to one of its addresses.
    Connect,
    /// The key exchange, and the check of the host key.
    HostKey,
    /// Logging in.
    Authenticate,
    /// Running a command that does nothing.
    Command,
}

/// A successful step.
#[derive(Debug)]
pub(in crate::ssh) struct FinishedStep {
    pub(in crate::ssh) host: String,
    pub(in crate::ssh) kind: StepKind,
    pub(in crate::ssh) took: Duration,
    pub(in crate::ssh) detail: Option<String>,
}

/// The successful steps, and the current one.
#[derive(Debug)]
pub(in crate::ssh) struct Trace {
    since: Instant,
    pub(in crate::ssh) done: Vec<FinishedStep>,
    host: String,
    detail: Option<String>,
    /// The current step.
    pub(in crate::ssh) current: StepKind,
}

impl Trace {
    pub(in crate::ssh) fn new() -> Self {
        Self { since: Instant::now(), done: Vec::new(), host: String::new(), detail: None, current: StepKind::Resolve }
    }

    /// Starts the steps of another host.
    pub(in crate::ssh) fn host(&mut self, host: String) {
        self.host = host;
        self.begin(StepKind::Resolve);
    }

    /// The host of the current step.
    pub(in crate::ssh) fn about(&self) -> &str {
        &self.host
    }

    pub(in crate::ssh) fn begin(&mut self, step: StepKind) {
        (self.since, self.current, self.detail) = (Instant::now(), step, None);
    }

    /// Records a detail of the current step.
    pub(in crate::ssh) fn note(&mut self, detail: String) {
        self.detail = Some(detail);
    }

    pub(in crate::ssh) fn end(&mut self) {
        let (host, detail, took) = (self.host.clone(), self.detail.take(), self.since.elapsed());
        self.done.push(FinishedStep { host, kind: self.current, took, detail });
    }

    /// How long the current step has taken so far.
    pub(in crate::ssh) fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }
}
