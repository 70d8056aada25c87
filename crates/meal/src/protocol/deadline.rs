//! Waiting for an instant that may be none.

use std::time::{Duration, Instant};

use tokio::time::sleep_until;

/// Waits until a moment comes; forever where there is none.
pub async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// The earlier of the deadline and `wait` from now.
pub(super) fn sooner(deadline: Option<Instant>, wait: Duration) -> Instant {
    let at = Instant::now() + wait;
    deadline.map_or(at, |deadline| deadline.min(at))
}
