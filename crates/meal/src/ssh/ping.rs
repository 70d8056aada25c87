//! Makes a connection step by step, with the time of each step and the error of the one that failed.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    SshError, SshExecutor,
    run::Shell,
    session::{StepKind, Trace},
};

/// A step of a ping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PingStep {
    /// The host of the step: a jump host, or the server.
    pub host: String,
    /// The kind of step.
    pub kind: StepKind,
    /// How long it took.
    pub took: Duration,
    /// What was found: addresses, the host key, the user.
    pub detail: Option<String>,
}

/// The result of a ping.
#[derive(Debug)]
pub struct PingReport {
    /// The successful steps, in order.
    pub steps: Vec<PingStep>,
    /// The failed step with its time, and the error.
    pub failed: Option<(PingStep, SshError)>,
    /// What the SSH configuration requests and MER does not do.
    pub warnings: Vec<String>,
}

impl SshExecutor {
    /// Makes a new connection, step by step, and runs a command that does nothing.
    pub(crate) async fn ping(&self) -> PingReport {
        let trace = Arc::new(Mutex::new(Trace::new()));
        let result = self.try_steps(&trace).await;
        let (steps, failed) = {
            let trace = trace.lock().unwrap_or_else(PoisonError::into_inner);
            let made = trace.done.iter().map(|done| PingStep {
                host: done.host.clone(),
                kind: done.kind,
                took: done.took,
                detail: done.detail.clone(),
            });
            let failed = result.as_ref().err().map(|error| {
                let host = if trace.about().is_empty() { self.server() } else { trace.about() };
                let step = PingStep { host: host.to_owned(), kind: trace.current, took: trace.elapsed(), detail: None };
                (step, error.clone())
            });
            (made.collect(), failed)
        };
        PingReport { steps, failed, warnings: self.warnings() }
    }

    async fn try_steps(&self, trace: &Arc<Mutex<Trace>>) -> Result<(), SshError> {
        let pool = self.pool()?;
        pool.adopt(pool.start(false, Some(Arc::clone(trace))).await?);
        trace.lock().unwrap_or_else(PoisonError::into_inner).begin(StepKind::Command);
        let mut shell = Shell::open(&pool, false).await?;
        let answer = shell.run_line(&pool, "echo =ok; exit 0\n").await?;
        if answer != b"=ok\n" {
            return Err(SshError::NoShell { host: pool.host(), detail: "`echo` printed something else".to_owned() });
        }
        let mut trace = trace.lock().unwrap_or_else(PoisonError::into_inner);
        trace.end();
        Ok(())
    }
}
