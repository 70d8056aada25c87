//! A start belongs to the pool: it goes on when the request that began it is cancelled and another one waits for it.

use std::sync::Arc;

use mer_core::{Access, FailureKind, Status};
use mer_meal::{Cancel, CancelLevel};
use tokio::sync::oneshot;

use super::{
    lease::{Home, Lease, ProcessId, StartPermit},
    process::PooledProcess,
    start_failure::{StartFacts, StartFailure},
};
use crate::outcome::Verdict;

/// A start in progress, as the request that began it sees it.
#[derive(Debug)]
pub(crate) struct Starting {
    home: Arc<dyn Home>,
    id: ProcessId,
    cancel: Cancel,
    result: oneshot::Receiver<Result<Started, Box<StartFailure>>>,
    is_over: bool,
}

/// A process that was started.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) lease: Lease,
    pub(crate) facts: StartFacts,
}

/// Reports a start as failed if its task ends without a result, which only a panic does.
struct Unfinished {
    home: Arc<dyn Home>,
    id: ProcessId,
    is_over: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_over {
            self.home.failed(self.id, broken());
        }
    }
}

fn broken() -> StartFailure {
    StartFailure::new(Verdict::new(Status::Failed, FailureKind::Bug, "the start of the process broke off"))
}

impl StartPermit {
    /// Starts a process in this place, as a task of its own. `cancel` cancels `work`, which returns an access with the times of
    /// the start.
    ///
    /// # Errors
    /// The place was withdrawn meanwhile.
    pub(crate) fn start(
        mut self,
        cancel: Cancel,
        work: impl Future<Output = (Access, Result<PooledProcess, Verdict>)> + Send + 'static,
    ) -> Result<Starting, Box<Verdict>> {
        if !self.home.begin_start(self.id, &cancel) {
            return Err(Box::new(Verdict::stopped_at_start()));
        }
        self.is_taken = true;
        let (home, id) = (Arc::clone(&self.home), self.id);
        let (sender, result) = oneshot::channel();
        let mut unfinished = Unfinished { home: Arc::clone(&home), id, is_over: false };
        tokio::spawn(async move {
            let (access, started) = work.await;
            unfinished.is_over = true;
            let (home, facts) = (&unfinished.home, StartFacts::of(&access));
            let started = match started {
                Ok(process) => match home.ready(id, Box::new(process)) {
                    Some(lease) => Ok(Started { lease, facts }),
                    None => Err(Box::new(StartFailure { verdict: Verdict::stopped_at_start(), facts })),
                },
                Err(verdict) => Err(Box::new(home.failed(id, StartFailure { verdict, facts }))),
            };
            // If the request is gone, dropping the lease gives the process to the next one.
            drop(sender.send(started));
        });
        Ok(Starting { home, id, cancel, result, is_over: false })
    }
}

impl Starting {
    /// Waits until the process is ready. A request that is cancelled cancels the start, unless another request waits for it.
    pub(crate) async fn wait(mut self, request: &Cancel) -> Result<Started, Box<StartFailure>> {
        let mut awaited = Some(CancelLevel::Cancel);
        loop {
            let pressed = async {
                match awaited {
                    Some(level) => request.reached(level).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                started = &mut self.result => {
                    self.is_over = true;
                    return started.unwrap_or_else(|_| Err(Box::new(broken())));
                }
                () = pressed => {
                    if awaited == Some(CancelLevel::Cancel) && !self.home.abandon_start(self.id) {
                        self.is_over = true;
                        return Err(Box::new(StartFailure::new(Verdict::cancelled_before())));
                    }
                    if request.level() == CancelLevel::Now {
                        self.cancel.cancel_now();
                        awaited = None;
                    } else {
                        self.cancel.cancel();
                        awaited = Some(CancelLevel::Now);
                    }
                }
            }
        }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if !self.is_over && self.home.abandon_start(self.id) {
            self.cancel.cancel_now();
        }
    }
}
