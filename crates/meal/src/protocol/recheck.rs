//! Checks pipes and exit once more before a request is given up.
//!
//! A bound that ran out tells the time, and not what the process has done. If `mer` was stopped, or the machine was asleep or
//! overloaded, the answer and the exit may have come long before, and the runtime sees the timer first.

use std::time::{Duration, Instant};

/// How long pipes and exit are checked once more if something is there to be read.
const RECHECK: Duration = Duration::from_millis(100);
/// The same if this process did not run when it should have: a model may have waited for it with a full pipe, and the end of
/// a remote process has to come over the network first.
const RECHECK_LATE: Duration = Duration::from_secs(2);
/// A task that is woken later than this shows that the process did not run.
const LATE: Duration = Duration::from_millis(100);

/// How long to check once more for a request that was to end at `due`; `None` if that would show nothing new. `news` tells
/// whether something is there that was not taken into account yet.
pub(super) fn recheck_time(due: Instant, news: impl FnOnce() -> bool) -> Option<Duration> {
    if due.elapsed() > LATE {
        return Some(RECHECK_LATE);
    }
    news().then_some(RECHECK)
}
