//! A line on a terminal that is written over and over, and goes when it is over.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use mer_core::escaped;
use tokio::{task::JoinHandle, time::sleep};

use super::{prompt_secret, stream};

/// What is over by then is not worth a line.
const WORTH_IT: Duration = Duration::from_millis(500);

/// Between two of them.
const PACE: Duration = Duration::from_millis(100);

/// How far something is that takes a while.
#[derive(Debug)]
pub(crate) struct Passing(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    begun: Option<Instant>,
    shown: Option<Instant>,
}

impl Passing {
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    /// Shows the line, unless another one was shown just now.
    pub(crate) fn show(&self, line: impl FnOnce() -> String) {
        let now = Instant::now();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = *state.begun.get_or_insert(now);
        let due = state.shown.map_or(begun + WORTH_IT, |shown| shown + PACE);
        if now >= due {
            state.shown = Some(now);
            stream::pass(&escaped(&line()));
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut *state).shown.is_some() {
            stream::step_aside();
        }
    }
}

/// Tells of a wait for as long as it lives: after half a second a line says what is waited for, and what ends the wait. The
/// line goes with it, or as soon as anything else is written to the terminal.
#[derive(Debug)]
pub(crate) struct Telling(JoinHandle<()>);

impl Telling {
    /// Must be called within the runtime.
    pub(super) fn begin(line: String) -> Self {
        Self(tokio::spawn(async move {
            sleep(WORTH_IT).await;
            // A question to a person stands where the line would.
            while prompt_secret::is_asking() {
                sleep(WORTH_IT).await;
            }
            stream::pass(&escaped(&line));
        }))
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.abort();
        stream::step_aside();
    }
}
