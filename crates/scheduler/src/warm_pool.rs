//! Processes that stay up, kept warm for the life of this `mer`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use mer_core::{ConnParams, RunSpec};
use mer_meal::{Cancel, StderrHook, WarmProcess};
use tokio::sync::mpsc;

use crate::Placement;

/// Who watches the diagnostics of a process that stays up: whoever made the request at hand.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watcher(Arc<Mutex<Option<mpsc::Sender<Bytes>>>>);

impl Watcher {
    /// From now on this one, or nobody.
    pub(crate) fn set(&self, watcher: Option<mpsc::Sender<Bytes>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = watcher;
    }

    /// What the process is started with. What the watcher cannot take at once is left out of the show, never of the log.
    pub(crate) fn hook(&self) -> StderrHook {
        let watcher = self.clone();
        Arc::new(move |chunk: &[u8]| {
            if let Some(watcher) = watcher.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
                let _ = watcher.try_send(Bytes::copy_from_slice(chunk));
            }
        })
    }
}

/// One process that stays up, and what it was started from.
#[derive(Debug)]
pub(crate) struct Warm {
    pub(crate) spec: RunSpec,
    pub(crate) conn: ConnParams,
    pub(crate) process: WarmProcess,
    pub(crate) watcher: Watcher,
}

/// Idle warm processes by model and server. One that serves a request is not in here, so that two requests at once to
/// one model get a process each.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: Mutex<HashMap<(String, String), Vec<Warm>>>,
}

impl Pool {
    /// An idle process that was started from this very specification, on a server that is still the same, and lives; and
    /// those that must go because their model or server was changed, or they died.
    pub(crate) fn take(&self, model: &str, placement: &Placement, spec: &RunSpec) -> (Option<Warm>, Vec<Warm>) {
        let mut idle = self.lock();
        let key = (model.to_owned(), placement.server.clone());
        let Some(processes) = idle.get_mut(&key) else { return (None, Vec::new()) };
        let (mut fit, mut stale) = (Vec::new(), Vec::new());
        for mut warm in processes.drain(..) {
            let alive = warm.process.is_alive();
            if alive && warm.spec == *spec && warm.conn == placement.conn { fit.push(warm) } else { stale.push(warm) }
        }
        let taken = fit.pop();
        *processes = fit;
        (taken, stale)
    }

    /// Gives a process back for the next request.
    pub(crate) fn put(&self, model: &str, server: &str, warm: Warm) {
        self.lock().entry((model.to_owned(), server.to_owned())).or_default().push(warm);
    }

    /// Returns the model and the server of each idle process, sorted.
    pub(crate) fn list(&self) -> Vec<(String, String)> {
        let idle = self.lock();
        let mut list: Vec<_> =
            idle.iter().flat_map(|(key, processes)| std::iter::repeat_n(key.clone(), processes.len())).collect();
        list.sort_unstable();
        list
    }

    /// Ends every idle process, all at once, each within its own grace.
    pub(crate) async fn stop_all(&self) {
        let all: Vec<Warm> = self.lock().drain().flat_map(|(_, processes)| processes).collect();
        stop(all).await;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), Vec<Warm>>> {
        // A panic while the map is held cannot leave it half changed: every change is one call.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends processes at the same time, each within its own grace.
pub(crate) async fn stop(processes: Vec<Warm>) {
    let mut ends = tokio::task::JoinSet::new();
    for Warm { spec, process, .. } in processes {
        ends.spawn(async move { process.stop(spec.bounds.grace, &Cancel::new()).await });
    }
    while ends.join_next().await.is_some() {}
}
