//! Times in which no server can be reached.

use std::time::{Duration, Instant};

use crate::error::BatchError;

/// The first pause after a failure, which doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const MOST_PAUSE: Duration = Duration::from_secs(5);

/// Failures of transport since the last success.
#[derive(Debug)]
pub(crate) struct Outage {
    bound: Duration,
    since: Option<Instant>,
    pause_until: Option<Instant>,
    pause: Duration,
}

impl Outage {
    /// No failure yet. A batch gives up after this long without a success.
    pub(crate) const fn new(bound: Duration) -> Self {
        Self { bound, since: None, pause_until: None, pause: FIRST_PAUSE }
    }

    /// Whether nothing is started for now.
    pub(crate) fn is_pausing(&self, now: Instant) -> bool {
        self.pause_until.is_some_and(|until| now < until)
    }

    /// A server could be reached.
    pub(crate) const fn clear(&mut self) {
        self.since = None;
        self.pause_until = None;
        self.pause = FIRST_PAUSE;
    }

    /// A server could not be reached. Returns whether this is the first time since a success. `is_last`: no other part runs,
    /// which may be on a server that can be reached, and have a long item.
    ///
    /// # Errors
    /// [`BatchError::Unreachable`] once the bound has passed and no part runs.
    pub(crate) fn failed(
        &mut self,
        now: Instant,
        is_last: bool,
        message: &str,
        hint: Option<&str>,
    ) -> Result<bool, BatchError> {
        let is_first = self.since.is_none();
        let since = *self.since.get_or_insert(now);
        if is_last && now.duration_since(since) >= self.bound {
            let (message, hint) = (message.to_owned(), hint.map(str::to_owned));
            return Err(BatchError::Unreachable { seconds: self.bound.as_secs(), message, hint });
        }
        self.pause_until = Some(now + self.pause);
        self.pause = (self.pause * 2).min(MOST_PAUSE);
        Ok(is_first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_the_bound_ends_them() {
        let begin = Instant::now();
        let mut outage = Outage::new(Duration::from_secs(60));
        assert!(!outage.is_pausing(begin));
        assert!(outage.failed(begin, true, "gone", None).expect("within the bound"));
        assert!(outage.is_pausing(begin) && !outage.is_pausing(begin + FIRST_PAUSE));
        for second in 1..60 {
            let now = begin + Duration::from_secs(second);
            assert!(!outage.failed(now, true, "gone", None).expect("within the bound"));
            assert!(!outage.is_pausing(now + MOST_PAUSE));
        }
        let end = begin + Duration::from_secs(60);
        assert!(!outage.failed(end, false, "gone", None).expect("another part runs"));
        let error = outage.failed(end, true, "gone", Some("wait")).expect_err("the bound");
        assert_eq!(error.hint(), Some("wait"));
        outage.clear();
        assert!(outage.failed(begin + Duration::from_secs(99), true, "gone", None).expect("a new bound"));
    }
}
