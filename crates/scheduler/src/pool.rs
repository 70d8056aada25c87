//! Processes that stay up, kept warm for the life of this `mer`.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use mer_core::RunSpec;
use mer_meal::WarmProcess;

/// One process that stays up, and what it was started from.
#[derive(Debug)]
pub(crate) struct Warm {
    pub(crate) spec: RunSpec,
    pub(crate) process: WarmProcess,
}

/// Idle warm processes by model and server. One that serves a request is not in here, so that two requests at once to
/// one model get a process each.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: Mutex<HashMap<(String, String), Vec<Warm>>>,
}

impl Pool {
    /// An idle process that was started from this very specification and still lives, and those that must go because
    /// their model was changed or they died.
    pub(crate) fn take(&self, model: &str, server: &str, spec: &RunSpec) -> (Option<Warm>, Vec<Warm>) {
        let mut idle = self.lock();
        let Some(processes) = idle.get_mut(&(model.to_owned(), server.to_owned())) else { return (None, Vec::new()) };
        let (mut fit, stale): (Vec<_>, Vec<_>) =
            processes.drain(..).partition(|warm| warm.spec == *spec && warm.process.is_alive());
        let taken = fit.pop();
        *processes = fit;
        (taken, stale)
    }

    /// Gives a process back for the next request.
    pub(crate) fn put(&self, model: &str, server: &str, warm: Warm) {
        self.lock().entry((model.to_owned(), server.to_owned())).or_default().push(warm);
    }

    /// Ends every idle process, all at once, each within its own grace.
    pub(crate) async fn stop_all(&self) {
        let all: Vec<Warm> = self.lock().drain().flat_map(|(_, processes)| processes).collect();
        stop(all).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), Vec<Warm>>> {
        // A panic while the map is held cannot leave it half changed: every change is one call.
        self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Ends processes at the same time, each within its own grace.
pub(crate) async fn stop(processes: Vec<Warm>) {
    let mut ends = tokio::task::JoinSet::new();
    for warm in processes {
        let grace: Duration = warm.spec.bounds.grace;
        ends.spawn(async move { warm.process.stop(grace).await });
    }
    while ends.join_next().await.is_some() {}
}
