//! Processes that stay up between requests, for the life of this `mer`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use mer_core::{ConnParams, RunSpec};
use mer_meal::{Cancel, StderrHook, WarmProcess};
use tokio::sync::mpsc;

use crate::placement::Placement;

/// Receives the stderr of a process that stays up, while it serves the request of that receiver. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct StderrObserver(Arc<Mutex<Option<mpsc::Sender<Bytes>>>>);

impl StderrObserver {
    /// Sets the receiver from now on, or none.
    pub(crate) fn set(&self, receiver: Option<mpsc::Sender<Bytes>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = receiver;
    }

    /// Returns the hook that the process is started with. Chunks that the receiver cannot take at once are dropped for it, but
    /// not for the log.
    pub(crate) fn hook(&self) -> StderrHook {
        let observer = self.clone();
        Arc::new(move |chunk: &[u8]| {
            if let Some(receiver) = observer.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
                let _ = receiver.try_send(Bytes::copy_from_slice(chunk));
            }
        })
    }
}

/// A process that stays up, and what it was started from.
#[derive(Debug)]
pub(crate) struct PooledProcess {
    pub(crate) spec: RunSpec,
    pub(crate) conn: ConnParams,
    pub(crate) process: WarmProcess,
    pub(crate) stderr: StderrObserver,
}

/// Idle processes by model and server. A process that serves a request is not in the pool, so two requests to one model at
/// the same time get a process each.
#[derive(Debug, Default)]
pub(crate) struct WarmPool {
    idle: Mutex<HashMap<(String, String), Vec<PooledProcess>>>,
}

impl WarmPool {
    /// Takes an idle process that is alive and was started from this specification on a server with these parameters. Also
    /// returns the processes to stop: those that died, or whose model or server was changed.
    pub(crate) fn take(
        &self,
        model: &str,
        placement: &Placement,
        spec: &RunSpec,
    ) -> (Option<PooledProcess>, Vec<PooledProcess>) {
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

    /// Puts a process back for the next request.
    pub(crate) fn put(&self, model: &str, server: &str, process: PooledProcess) {
        self.lock().entry((model.to_owned(), server.to_owned())).or_default().push(process);
    }

    /// Returns model and server of each idle process, sorted.
    pub(crate) fn list(&self) -> Vec<(String, String)> {
        let idle = self.lock();
        let mut list: Vec<_> =
            idle.iter().flat_map(|(key, processes)| std::iter::repeat_n(key.clone(), processes.len())).collect();
        list.sort_unstable();
        list
    }

    /// Stops all idle processes at the same time, each within its own grace period.
    pub(crate) async fn stop_all(&self) {
        let all: Vec<PooledProcess> = self.lock().drain().flat_map(|(_, processes)| processes).collect();
        stop(all).await;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), Vec<PooledProcess>>> {
        // Every change is a single call, so a panic leaves the map consistent.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stops processes at the same time, each within its own grace period.
pub(crate) async fn stop(processes: Vec<PooledProcess>) {
    let mut ends = tokio::task::JoinSet::new();
    for PooledProcess { spec, process, .. } in processes {
        ends.spawn(async move { process.stop(spec.bounds.grace, &Cancel::new()).await });
    }
    while ends.join_next().await.is_some() {}
}
