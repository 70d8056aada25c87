//! Requests that wait for a process, in the order in which they are served.

use std::sync::Arc;

use mer_meal::Cancel;
use tokio::sync::oneshot;

use super::{key::ProcessKey, lease::Grant, life::Life};

/// What a request needs.
#[derive(Debug, Clone)]
pub(crate) struct Want {
    pub(crate) key: Arc<ProcessKey>,
    pub(crate) life: Life,
    /// Version of the weights.
    pub(crate) weights_version: Option<u64>,
    /// Whether it is a load, and needs no process for itself.
    pub(crate) loading: bool,
    /// Cancels the request.
    pub(crate) cancel: Cancel,
}

/// A request that waits.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) ticket: u64,
    pub(crate) priority: i8,
    pub(crate) want: Want,
    pub(crate) grant: oneshot::Sender<Grant>,
}

/// The requests that wait for one model on one server: by priority, and by arrival within it.
#[derive(Debug, Default)]
pub(crate) struct WaitQueue(Vec<Waiter>);

impl WaitQueue {
    pub(crate) fn push(&mut self, waiter: Waiter) {
        let at = self.0.partition_point(|before| before.priority >= waiter.priority);
        self.0.insert(at, waiter);
    }

    /// Removes a request that waits no longer.
    pub(crate) fn remove(&mut self, ticket: u64) {
        self.0.retain(|waiter| waiter.ticket != ticket);
    }

    /// Removes the requests that `is_served` returns a grant for, and returns them with it.
    pub(crate) fn serve(&mut self, mut is_served: impl FnMut(&Want) -> Option<Grant>) -> Vec<(Waiter, Grant)> {
        let mut served = Vec::new();
        let mut at = 0;
        while let Some(waiter) = self.0.get(at) {
            match is_served(&waiter.want) {
                Some(grant) => served.push((self.0.remove(at), grant)),
                None => at += 1,
            }
        }
        served
    }

    /// Whether a request waits for a process of this key.
    pub(crate) fn has(&self, key: &ProcessKey) -> bool {
        self.0.iter().any(|waiter| waiter.want.key.is_same(key))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
