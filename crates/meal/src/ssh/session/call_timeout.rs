//! The time limit of blocking libssh2 calls.

use std::time::{Duration, Instant};

use ssh2::Session;

/// Lets the next blocking call take until the deadline; at least 1 ms, because 0 means no limit.
pub(in crate::ssh) fn set_call_timeout(session: &Session, deadline: Instant) {
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    session.set_timeout(u32::try_from(left.as_millis()).unwrap_or(u32::MAX));
}
