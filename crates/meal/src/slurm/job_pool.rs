//! The jobs of a batch, by cluster.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use super::allocations::Allocations;

/// Jobs in which processes run one after the other. There are as many as processes run at once. Cheap to clone; the jobs end
/// with the last clone.
#[derive(Debug, Clone)]
pub struct JobPool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    /// Number of jobs that were asked for.
    asked: AtomicU32,
    /// By name of the server.
    clusters: Mutex<BTreeMap<String, Arc<Allocations>>>,
}

impl JobPool {
    /// A pool without jobs. They will be named `NAME-NUMBER`.
    #[must_use]
    pub fn new(name: String) -> Self {
        Self(Arc::new(Inner { name, asked: AtomicU32::new(0), clusters: Mutex::default() }))
    }

    /// Gives all jobs back that have no process, and waits until they have ended, for some seconds. No further one is asked for.
    pub async fn close(&self) {
        let clusters = self.lock().values().cloned().collect::<Vec<_>>();
        let mut ends = tokio::task::JoinSet::new();
        for allocations in clusters {
            ends.spawn(async move { allocations.close().await });
        }
        ends.join_all().await;
    }

    /// Returns the jobs on a cluster.
    pub(super) fn on(&self, server: &str) -> Arc<Allocations> {
        Arc::clone(self.lock().entry(server.to_owned()).or_insert_with(Allocations::new))
    }

    /// Returns the name of a job that is asked for.
    pub(super) fn next_name(&self) -> String {
        let number = self.0.asked.fetch_add(1, Ordering::Relaxed) + 1;
        format!("{}-{number}", self.0.name)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Allocations>>> {
        // Every change is a single call, so that a panic leaves the map consistent.
        self.0.clusters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
