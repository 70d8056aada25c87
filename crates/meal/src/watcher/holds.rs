//! The descriptors that the watcher holds, so that locks last until the processes that they are for are gone.

use std::{
    collections::BTreeMap,
    os::fd::{AsFd, OwnedFd},
    thread,
    time::{Duration, Instant},
};

use super::descriptors::receive;

/// The descriptors by the number of their process.
#[derive(Debug, Default)]
pub(super) struct Holds {
    local: BTreeMap<u64, Vec<OwnedFd>>,
    /// Those of processes on other machines, and how long they are held once `mer` is gone.
    remote: BTreeMap<u64, (Duration, Vec<OwnedFd>)>,
}

impl Holds {
    /// Receives what has come. Returns whether anything has.
    pub(super) fn receive(&mut self, socket: impl AsFd) -> bool {
        let mut any = false;
        while let Some(received) = receive(&socket) {
            any = true;
            match received.lasts {
                None => self.local.entry(received.number).or_default().extend(received.descriptors),
                Some(lasts) => {
                    let (longest, held) = self.remote.entry(received.number).or_default();
                    *longest = lasts.max(*longest);
                    held.extend(received.descriptors);
                }
            }
        }
        any
    }

    /// Closes the descriptors of a process.
    pub(super) fn free(&mut self, number: u64) {
        self.local.remove(&number);
        self.remote.remove(&number);
    }

    /// Closes the descriptors of local processes that are gone.
    pub(super) fn free_gone(&mut self, is_gone: impl Fn(u64) -> bool) {
        self.local.retain(|number, _| !is_gone(*number));
    }

    /// Whether descriptors of a local process are held for which this is true.
    pub(super) fn any_local(&self, is_so: impl Fn(u64) -> bool) -> bool {
        self.local.keys().any(|number| is_so(*number))
    }

    /// Holds the descriptors of processes on other machines as long as these may live after `mer`, which was gone at `end`.
    pub(super) fn outlast_remote(mut self, end: Instant) {
        self.local.clear();
        let mut held: Vec<_> = self.remote.into_values().collect();
        held.sort_by_key(|(lasts, _)| *lasts);
        for (lasts, descriptors) in held {
            thread::sleep(lasts.saturating_sub(end.elapsed()));
            drop(descriptors);
        }
    }
}
