//! The counts of a batch.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use crate::progress::{Progress, ServerProgress};

/// How long the window of the rate is.
const WINDOW: Duration = Duration::from_secs(10);

/// The counts of a batch.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Number of items of the whole input, where it is known.
    pub(crate) total: Option<u64>,
    succeeded: u64,
    failed: u64,
    kept_succeeded: u64,
    kept_failed: u64,
    servers: BTreeMap<String, ServerProgress>,
    /// Times, and the number of items that were over then.
    past: VecDeque<(Instant, u64)>,
}

impl Tally {
    /// No counts yet.
    pub(crate) fn new(total: Option<u64>) -> Self {
        Self {
            total,
            succeeded: 0,
            failed: 0,
            kept_succeeded: 0,
            kept_failed: 0,
            servers: BTreeMap::new(),
            past: VecDeque::from([(Instant::now(), 0)]),
        }
    }

    /// Counts results of earlier processes.
    pub(crate) const fn keep(&mut self, succeeded: u64, failed: u64) {
        self.kept_succeeded += succeeded;
        self.kept_failed += failed;
    }

    /// Counts an item that is over.
    pub(crate) fn count(&mut self, is_success: bool, server: Option<&str>) {
        if is_success {
            self.succeeded += 1;
        } else {
            self.failed += 1;
        }
        let Some(name) = server else { return };
        if !self.servers.contains_key(name) {
            self.servers.insert(name.to_owned(), ServerProgress::default());
        }
        if let Some(server) = self.servers.get_mut(name) {
            if is_success {
                server.succeeded += 1;
            } else {
                server.failed += 1;
            }
        }
    }

    /// Failed items and successes of this process, for the policy of halting.
    pub(crate) const fn of_this_process(&self) -> (u64, u64) {
        (self.failed, self.succeeded)
    }

    /// Takes note of the time, about five times a second.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.past.push_back((now, self.succeeded + self.failed));
        while self.past.len() > 2 && self.past.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            self.past.pop_front();
        }
    }

    /// The counts, with the number of items and parts that run.
    pub(crate) fn progress(&self, running: u64, parts: u64) -> Progress {
        let over = self.succeeded + self.failed;
        let (begin, before) = self.past.front().copied().unwrap_or_else(|| (Instant::now(), over));
        let seconds = begin.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 52 bits")]
        let rate = if seconds > 0.0 { (over - before) as f64 / seconds } else { 0.0 };
        let kept = self.kept_succeeded + self.kept_failed;
        let left = self.total.filter(|_| rate > 0.0).and_then(|total| {
            #[expect(clippy::cast_precision_loss, reason = "a time needs no more than 52 bits")]
            let rest = total.saturating_sub(over + kept) as f64;
            Duration::try_from_secs_f64(rest / rate).ok()
        });
        Progress {
            total: self.total,
            succeeded: self.succeeded + self.kept_succeeded,
            failed: self.failed + self.kept_failed,
            kept,
            running,
            parts,
            rate,
            left,
            servers: self.servers.clone(),
        }
    }
}
