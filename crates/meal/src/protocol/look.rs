//! One more look before a request is judged.
//!
//! A bound that ran out says what time it is, and not what the process has done. Where `mer` was stopped, the machine
//! asleep or overloaded, the answer and the exit may have come long before; the runtime hears of the time first.

use std::time::{Duration, Instant};

/// How long pipes and exit are looked at once more where something is there to be seen.
const LOOK: Duration = Duration::from_millis(100);
/// The same where this process did not run when it should have: a model may have waited for us with a full pipe, and from
/// another machine the end has to come here first.
const LOOK_LATE: Duration = Duration::from_secs(2);
/// A task that is woken later than this shows that the process did not run.
const LATE: Duration = Duration::from_millis(100);

/// How long to look once more, where a request was to end at `due`; nothing where that would show nothing new. `news` says
/// whether something is there that was not taken into account yet.
pub(super) fn look(due: Instant, news: impl FnOnce() -> bool) -> Option<Duration> {
    if due.elapsed() > LATE {
        return Some(LOOK_LATE);
    }
    news().then_some(LOOK)
}
