//! What the threads of a proxy share: counters, limits, holds and cuts.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The direction of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// Nothing is forwarded.
    pub(super) held: bool,
    /// Number of cuts so far. A connection that began before the last one is over.
    pub(super) cuts: u64,
    /// The proxy is being dropped.
    pub(super) closed: bool,
    pub(super) connections: u64,
    pub(super) counters: [Counter; 2],
}

#[derive(Debug, Default)]
pub(super) struct Counter {
    pub(super) forwarded: u64,
    /// What happens after this many bytes in total.
    pub(super) limit: Option<(u64, Limit)>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Limit {
    Hold,
    Cut,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until bytes may be forwarded. Returns how many of `wanted`, or `None` if the connection is over.
    pub(super) fn permit(&self, direction: Direction, wanted: u64, born: u64) -> Option<u64> {
        let mut state = self.lock();
        loop {
            if state.cuts > born {
                return None;
            }
            if !state.held {
                return Some(state.counters[direction as usize].left().min(wanted));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Counts forwarded bytes, and applies the limits that they reach.
    pub(super) fn count(&self, direction: Direction, bytes: u64) {
        self.change(|state| {
            state.counters[direction as usize].forwarded += bytes;
            state.act_on_limits();
        });
    }
}

impl State {
    pub(super) fn act_on_limits(&mut self) {
        for counter in &mut self.counters {
            if counter.left() > 0 {
                continue;
            }
            match counter.limit.take() {
                Some((_, Limit::Hold)) => self.held = true,
                Some((_, Limit::Cut)) => self.cuts += 1,
                None => {}
            }
        }
    }
}

impl Counter {
    /// Number of bytes up to the limit.
    pub(super) fn left(&self) -> u64 {
        self.limit.map_or(u64::MAX, |(limit, _)| limit.saturating_sub(self.forwarded))
    }
}
