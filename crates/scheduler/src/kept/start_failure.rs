//! Why a process could not be started, and what is recorded of the start.

use mer_core::Access;

use crate::outcome::Verdict;

/// What is recorded of a start.
#[derive(Debug, Clone, Default)]
pub(crate) struct StartFacts {
    connect_ms: Option<f64>,
    start_ms: Option<f64>,
    exit_code: Option<i32>,
    signal: Option<String>,
    stderr_bytes: u64,
    stderr_tail: String,
}

impl StartFacts {
    pub(super) fn of(access: &Access) -> Self {
        Self {
            connect_ms: access.connect_ms,
            start_ms: access.start_ms,
            exit_code: access.exit_code,
            signal: access.signal.clone(),
            stderr_bytes: access.stderr_bytes,
            stderr_tail: access.stderr_tail.clone(),
        }
    }

    /// Writes the facts into the access of a request that waited for the start.
    pub(crate) fn write_to(&self, access: &mut Access) {
        access.connect_ms = self.connect_ms.or(access.connect_ms);
        access.start_ms = self.start_ms;
        access.exit_code = self.exit_code;
        access.signal.clone_from(&self.signal);
        access.stderr_bytes = self.stderr_bytes;
        access.stderr_tail.clone_from(&self.stderr_tail);
    }
}

/// A start that failed.
#[derive(Debug, Clone)]
pub(crate) struct StartFailure {
    pub(crate) verdict: Verdict,
    pub(crate) facts: StartFacts,
}

impl StartFailure {
    pub(super) fn new(verdict: Verdict) -> Self {
        Self { verdict, facts: StartFacts::default() }
    }
}
