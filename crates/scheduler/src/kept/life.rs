//! How long a kept process lives, and how many there are.

use std::time::{Duration, Instant};

use mer_core::{Bound, ModelParams, Size};

use crate::Retention;

/// The default of `keepalive`: nothing stays.
const NOTHING: Bound = Bound::secs(0);
/// The default of `queueLength`.
const QUEUE_LENGTH: usize = 512;
/// The default of `queueTimeout`.
pub(crate) const QUEUE_TIMEOUT: Bound = Bound::secs(600);

/// The bounds on the life of a kept process, and on the requests that wait for one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    /// From the end of its last request to its own end.
    pub(crate) keepalive: Bound,
    /// Whether it is never ended to make room.
    pub(crate) pinned: bool,
    /// Whether it serves the requests of its own `mer` only, for which processes of other weights are not kept beside it.
    pub(crate) private: bool,
    /// Maximum number of requests.
    pub(crate) max_requests: Option<u64>,
    /// Maximum age.
    pub(crate) max_age: Option<Duration>,
    /// Maximum memory of its group, in bytes.
    pub(crate) max_memory: Option<u64>,
    /// Maximum number of processes of the model on the server.
    pub(crate) instances: usize,
    /// Maximum number of requests that wait for them.
    pub(crate) queue_length: usize,
    /// Maximum wait.
    pub(crate) queue_timeout: Bound,
}

impl Life {
    /// Returns the life of a process that is started for a request which is kept so, or that is loaded without a request.
    pub(crate) fn new(params: &ModelParams, keep: Retention, loading: bool) -> Self {
        let registered = params.keepalive.unwrap_or(NOTHING);
        let keepalive = match keep {
            Retention::WhileHere => Bound::Never,
            Retention::ByKeepalive if loading && registered == NOTHING => Bound::Never,
            Retention::No | Retention::ByKeepalive => registered,
        };
        let instances = params.instances.map(|instances| usize::try_from(instances).unwrap_or(usize::MAX).max(1));
        Self {
            keepalive,
            pinned: params.pinned.unwrap_or(false),
            private: keep != Retention::ByKeepalive,
            max_requests: params.max_requests,
            max_age: params.max_age.and_then(Bound::duration),
            max_memory: params.max_memory.map(Size::bytes),
            instances: instances.unwrap_or(if keep == Retention::ByKeepalive { 1 } else { usize::MAX }),
            queue_length: params
                .queue_length
                .map_or(QUEUE_LENGTH, |length| usize::try_from(length).unwrap_or(usize::MAX)),
            queue_timeout: params.queue_timeout.unwrap_or(QUEUE_TIMEOUT),
        }
    }

    /// Whether a process is ended at once after its request.
    pub(crate) fn is_short(&self) -> bool {
        self.keepalive == NOTHING
    }

    /// Whether a process that was started at `start` and has answered `served` requests is to be replaced.
    pub(crate) fn is_over(&self, start: Instant, served: u64) -> bool {
        self.max_age.is_some_and(|age| start.elapsed() >= age) || self.max_requests.is_some_and(|most| served >= most)
    }
}
