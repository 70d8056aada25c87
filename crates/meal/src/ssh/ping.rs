//! Trust but verify: each step on the way to a server, with its time, and what to do about the one that failed.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    SshError, SshExecutor,
    run::Shell,
    session::{StepKind, Trace, nonce},
};

/// A step that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PingStep {
    /// The host that it was made to: a jump host, or the server.
    pub host: String,
    /// What it was.
    pub kind: StepKind,
    /// How long it took.
    pub took: Duration,
    /// What was found: addresses, the host key, the user.
    pub detail: Option<String>,
}

/// What came of it.
#[derive(Debug)]
pub struct PingReport {
    /// The steps that went well, in order.
    pub steps: Vec<PingStep>,
    /// The one that did not, how long it took to fail, and why.
    pub failed: Option<(PingStep, SshError)>,
    /// What to do about that.
    pub hint: Option<String>,
    /// What the SSH configuration asks for and will not be done.
    pub warnings: Vec<String>,
}

impl SshExecutor {
    /// Makes a new connection, step by step, and runs nothing over it.
    pub(crate) async fn ping(&self) -> PingReport {
        let trace = Arc::new(Mutex::new(Trace::new()));
        let result = self.try_steps(&trace).await;
        let (steps, failed, hint) = {
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
            (made.collect(), failed, result.err().and_then(|error| error.hint(self.server())))
        };
        PingReport { steps, failed, hint, warnings: self.warnings() }
    }

    async fn try_steps(&self, trace: &Arc<Mutex<Trace>>) -> Result<(), SshError> {
        let pool = self.pool()?;
        pool.adopt(pool.start(false, Some(Arc::clone(trace))).await?);
        trace.lock().unwrap_or_else(PoisonError::into_inner).begin(StepKind::Command);
        let mut shell = Shell::open(&pool, &nonce()).await?;
        let answer = shell.say(&pool, "echo =ok; exit 0\n").await?;
        if answer != b"=ok\n" {
            return Err(SshError::NoShell { host: pool.host(), detail: "`echo` says something else".to_owned() });
        }
        let mut trace = trace.lock().unwrap_or_else(PoisonError::into_inner);
        trace.end();
        Ok(())
    }
}
