//! Remembers models that could not be loaded or die at every request, so that they are not started again and again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mer_core::Status;

use super::key::ProcessKey;
use crate::outcome::Verdict;

/// Pause after the first failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(300);
/// A failure that is older counts no longer.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(1_800);
/// Maximum number of remembered models of one name.
const MAX_FAILURES: usize = 16;

/// The failures of one model on one server.
#[derive(Debug, Default)]
pub(crate) struct BackOff(Vec<Failing>);

/// The failures of processes with one key.
#[derive(Debug)]
pub(crate) struct Failing {
    key: Arc<ProcessKey>,
    /// Loads that failed since the last one that succeeded.
    loads: u32,
    /// Processes that died since the last answer.
    deaths: u32,
    last: Instant,
    /// When it may be started again.
    until: Instant,
    verdict: Verdict,
}

impl Failing {
    /// Returns when the model may be started again.
    pub(crate) const fn until(&self) -> Instant {
        self.until
    }

    /// Returns the sentence of the last failure.
    pub(crate) fn error(&self) -> &str {
        self.verdict.error.as_deref().unwrap_or_default()
    }

    /// Returns the verdict on a request that comes too early.
    pub(crate) fn verdict(&self, now: Instant) -> Verdict {
        let seconds = self.until.saturating_duration_since(now).as_secs_f64();
        let error = format!("{}; it is started again in {seconds:.1} s at the earliest", self.error());
        Verdict { status: Status::Failed, error: Some(error), elsewhere: true, ..self.verdict.clone() }
    }
}

impl BackOff {
    /// Returns the failure because of which no process is started now, if there is one.
    pub(crate) fn until(&self, is_meant: impl Fn(&ProcessKey) -> bool, now: Instant) -> Option<&Failing> {
        self.0.iter().find(|failing| failing.until > now && is_meant(&failing.key))
    }

    /// Returns all failures because of which no process is started now.
    pub(crate) fn all(&self, now: Instant) -> impl Iterator<Item = &Failing> {
        self.0.iter().filter(move |failing| failing.until > now)
    }

    /// Returns the last failure of processes with this key.
    pub(crate) fn last_error(&self, key: &ProcessKey) -> Option<String> {
        self.0.iter().find(|failing| failing.key.is_same(key)).map(|failing| failing.error().to_owned())
    }

    /// Notes that a process could not be loaded.
    pub(crate) fn load_failed(&mut self, key: &Arc<ProcessKey>, verdict: &Verdict, now: Instant) {
        let failing = self.failing(key, verdict, now);
        failing.loads += 1;
        failing.until = now + pause(failing.loads);
    }

    /// Notes that a process has died in a request. One death is no pattern, so that the next process is started at once.
    pub(crate) fn died(&mut self, key: &Arc<ProcessKey>, verdict: &Verdict, now: Instant) {
        let failing = self.failing(key, verdict, now);
        failing.deaths += 1;
        if failing.deaths > 1 {
            failing.until = now + pause(failing.deaths - 1);
        }
    }

    /// Notes that a process is ready. It may still die at its first request.
    pub(crate) fn loaded(&mut self, key: &ProcessKey) {
        self.0.retain(|failing| failing.deaths > 0 || !failing.key.is_same(key));
        if let Some(failing) = self.0.iter_mut().find(|failing| failing.key.is_same(key)) {
            failing.loads = 0;
        }
    }

    /// Notes that a process has answered.
    pub(crate) fn answered(&mut self, key: &ProcessKey) {
        if !self.0.is_empty() {
            self.0.retain(|failing| !failing.key.is_same(key));
        }
    }

    /// Forgets all failures.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Forgets the failures of models that are registered in another way.
    pub(crate) fn retain(&mut self, is_kept: impl Fn(&ProcessKey) -> bool) {
        self.0.retain(|failing| is_kept(&failing.key));
    }

    /// Whether nothing is remembered.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn failing(&mut self, key: &Arc<ProcessKey>, verdict: &Verdict, now: Instant) -> &mut Failing {
        self.0.retain(|failing| now.saturating_duration_since(failing.last) < FORGOTTEN_AFTER);
        let at = match self.0.iter().position(|failing| failing.key.is_same(key)) {
            Some(at) => at,
            None => {
                if self.0.len() == MAX_FAILURES {
                    self.0.remove(0);
                }
                let (key, verdict) = (Arc::clone(key), verdict.clone());
                self.0.push(Failing { key, loads: 0, deaths: 0, last: now, until: now, verdict });
                self.0.len() - 1
            }
        };
        let failing = &mut self.0[at];
        (failing.last, failing.verdict) = (now, verdict.clone());
        failing
    }
}

fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(MAX_PAUSE)
}
