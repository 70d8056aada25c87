//! How soon a model can serve a request on a server, for the choice among its servers.

use std::time::Instant;

use mer_core::RunSpec;

use super::{
    entry::{Claim, Entry, Stage},
    life::Life,
    pool::Pool,
};
use crate::{Retention, placement::Placement};

/// How soon a request is served on a server. The order is that of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// A process is ready and idle.
    Ready,
    /// A process is being started, and no request waits for it.
    Starting,
    /// A process can be started.
    Free,
    /// The request waits after this number of others.
    Queued(usize),
    /// The model failed there, and is not started again yet.
    Failing,
}

impl Pool {
    /// Returns how soon a request is served on a server.
    pub(crate) fn standing(&self, model: &str, placement: &Placement, spec: &RunSpec, keep: Retention) -> Standing {
        let state = self.lock();
        let name = (model.to_owned(), placement.server.clone());
        let Some(group) = state.groups.get(&name) else { return Standing::Free };
        let fitting = || group.entries.values().filter(|entry| entry.is_serving() && entry.key.fits(placement, spec));
        if group.queue.is_empty() && fitting().any(|entry| entry.idle_since().is_some()) {
            return Standing::Ready;
        }
        // The request that began a start waits for it, until it is cancelled.
        if group.queue.is_empty()
            && fitting().any(|entry| matches!(entry.stage, Stage::Starting(_)) && entry.claim != Claim::Request)
        {
            return Standing::Starting;
        }
        let fails = group.back_off.until(|key| key.fits(placement, spec), Instant::now()).is_some();
        if fails && fitting().next().is_none() {
            return Standing::Failing;
        }
        let makes_room = |entry: &Entry| entry.is_serving() && entry.idle_since().is_some() && !entry.life.pinned;
        let is_free = group.taken_places() < Life::new(&placement.params, keep, false).instances;
        if group.queue.is_empty() && (is_free || group.entries.values().any(makes_room)) {
            return Standing::Free;
        }
        Standing::Queued(group.queue.len())
    }
}
