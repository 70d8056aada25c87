//! The servers that the attempts of one request go to, and how many attempts there are.

use std::time::Duration;

use crate::{jitter::jittered, placement::Placement};

/// Pause before the first retry; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// The attempts of one request so far, and those that are left.
#[derive(Debug)]
pub(crate) struct Itinerary {
    /// The servers in their registered order.
    pub(crate) replicas: Vec<Placement>,
    /// Number of attempts on each of them.
    attempts: Vec<u32>,
    retries_left: u32,
    retries: u32,
}

impl Itinerary {
    pub(crate) fn new(replicas: Vec<Placement>, retries: u32) -> Self {
        let attempts = vec![0; replicas.len()];
        Self { replicas, attempts, retries_left: retries, retries: 0 }
    }

    /// Returns the servers that the next attempt may go to: those with the fewest attempts.
    pub(crate) fn candidates(&self) -> Vec<usize> {
        let fewest = self.attempts.iter().copied().min().unwrap_or_default();
        (0..self.attempts.len()).filter(|at| self.attempts[*at] == fewest).collect()
    }

    /// Notes that an attempt is made on a server. Returns the number of attempts, this one included.
    pub(crate) fn attempt(&mut self, at: usize) -> u32 {
        self.attempts[at] += 1;
        self.attempts.iter().sum()
    }

    /// Whether a server has not been tried.
    pub(crate) fn has_untried(&self) -> bool {
        self.attempts.contains(&0)
    }

    /// Returns the number of retries that were taken.
    pub(crate) const fn retries_taken(&self) -> u32 {
        self.retries
    }

    /// Takes one of the retries, and returns the pause before it; none if none is left.
    pub(crate) fn take_retry(&mut self) -> Option<Duration> {
        self.retries_left = self.retries_left.checked_sub(1)?;
        let pause = FIRST_PAUSE.saturating_mul(1 << self.retries.min(10)).min(MAX_PAUSE);
        self.retries += 1;
        Some(jittered(pause))
    }
}
