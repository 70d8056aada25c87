//! Progress and waits on a terminal: a line that appears after half a second and is erased at the end.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use mer_core::escaped;
use tokio::{task::JoinHandle, time::sleep};

use super::{prompt_secret, status_line};

/// Time until the line appears; shorter work shows none.
const DELAY: Duration = Duration::from_millis(500);

/// Least time between two updates of the line.
const INTERVAL: Duration = Duration::from_millis(100);

/// The progress of a transfer.
#[derive(Debug)]
pub(crate) struct ProgressLine(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    started: Option<Instant>,
    updated: Option<Instant>,
}

impl ProgressLine {
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    /// Shows the line, unless it was updated less than 100 ms ago. The first one appears after half a second.
    pub(crate) fn show(&self, line: impl FnOnce() -> String) {
        let now = Instant::now();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let started = *state.started.get_or_insert(now);
        let due = state.updated.map_or(started + DELAY, |updated| updated + INTERVAL);
        if now >= due {
            state.updated = Some(now);
            status_line::show(escaped(&line()));
        }
    }

    /// Erases the line.
    pub(crate) fn clear(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut *state).updated.is_some() {
            status_line::hide();
        }
    }
}

/// Shows what is waited for, and what ends the wait, for as long as it lives. The line appears after half a second; it is
/// erased when this is dropped, or when anything else is written to the terminal.
#[derive(Debug)]
pub(crate) struct WaitNotice(JoinHandle<()>);

impl WaitNotice {
    /// Must be called within the runtime.
    pub(super) fn start(line: String) -> Self {
        Self(tokio::spawn(async move {
            sleep(DELAY).await;
            // The prompt for a secret is in the row where the line would appear.
            while prompt_secret::is_asking() {
                sleep(DELAY).await;
            }
            status_line::show(escaped(&line));
        }))
    }
}

impl Drop for WaitNotice {
    fn drop(&mut self) {
        self.0.abort();
        status_line::hide();
    }
}
