//! The steps of making a connection, each with its time.

use std::time::{Duration, Instant};

/// A step on the way to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepKind {
    /// The name becomes addresses.
    Resolve,
    /// One of them accepts the connection.
    Connect,
    /// Encryption is agreed upon, and the host key is checked.
    HostKey,
    /// The user is logged in.
    Authenticate,
    /// A command that does nothing is run.
    Command,
}

/// A step that went well.
#[derive(Debug)]
pub(in crate::ssh) struct Done {
    pub(in crate::ssh) host: String,
    pub(in crate::ssh) kind: StepKind,
    pub(in crate::ssh) took: Duration,
    pub(in crate::ssh) detail: Option<String>,
}

/// What has been done, and since when the next thing is being done.
#[derive(Debug)]
pub(in crate::ssh) struct Trace {
    since: Instant,
    pub(in crate::ssh) done: Vec<Done>,
    host: String,
    detail: Option<String>,
    /// What is being tried now.
    pub(in crate::ssh) current: StepKind,
}

impl Trace {
    pub(in crate::ssh) fn new() -> Self {
        Self { since: Instant::now(), done: Vec::new(), host: String::new(), detail: None, current: StepKind::Resolve }
    }

    /// From here on it is about this host.
    pub(in crate::ssh) fn host(&mut self, host: String) {
        self.host = host;
        self.begin(StepKind::Resolve);
    }

    /// The host that it is about.
    pub(in crate::ssh) fn about(&self) -> &str {
        &self.host
    }

    pub(in crate::ssh) fn begin(&mut self, step: StepKind) {
        (self.since, self.current, self.detail) = (Instant::now(), step, None);
    }

    /// What was found in the current step.
    pub(in crate::ssh) fn note(&mut self, detail: String) {
        self.detail = Some(detail);
    }

    pub(in crate::ssh) fn end(&mut self) {
        let (host, detail, took) = (self.host.clone(), self.detail.take(), self.since.elapsed());
        self.done.push(Done { host, kind: self.current, took, detail });
    }

    /// How long the current step takes so far.
    pub(in crate::ssh) fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }
}
