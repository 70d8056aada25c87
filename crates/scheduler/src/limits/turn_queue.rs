//! The order in which the processes of this `mer` get units: by priority, and by arrival within it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::demand::Demand;

/// Starts that need units.
#[derive(Debug, Default)]
pub(crate) struct TurnQueue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// In the order in which they are served.
    turns: Vec<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    priority: i8,
    model: String,
    demand: Demand,
    /// Whether it has found no free units, or others before it.
    is_waiting: bool,
}

/// A place in the queue. Dropping it leaves the queue.
#[derive(Debug)]
pub(crate) struct QueueTicket<'a> {
    queue: &'a TurnQueue,
    number: u64,
}

impl TurnQueue {
    /// Enters the queue.
    pub(super) fn enter(&self, model: &str, demand: &Demand, priority: i8) -> QueueTicket<'_> {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        let at = state.turns.partition_point(|before| before.priority >= priority);
        let waiter = Waiter { number, priority, model: model.to_owned(), demand: demand.clone(), is_waiting: false };
        state.turns.insert(at, waiter);
        QueueTicket { queue: self, number }
    }

    /// Returns how many starts wait for units that a process with this demand needs.
    pub(super) fn waiting_for(&self, demand: &Demand) -> usize {
        self.lock().turns.iter().filter(|waiter| waiter.is_waiting && waiter.demand.competes_with(demand)).count()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is called with the lock held panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueueTicket<'_> {
    /// Whether nothing before it competes for its units.
    pub(super) fn has_come(&self) -> bool {
        let state = self.queue.lock();
        let Some(at) = state.turns.iter().position(|waiter| waiter.number == self.number) else { return true };
        !state.turns[..at].iter().any(|before| before.demand.competes_with(&state.turns[at].demand))
    }

    /// Waits until its turn has come.
    pub(super) async fn come(&self) {
        loop {
            let changed = self.queue.changed.notified();
            if self.has_come() {
                return;
            }
            changed.await;
        }
    }

    /// Notes that it has to wait.
    ///
    /// # Errors
    /// As many starts of its model wait already. Returns their number.
    pub(super) fn wait(&self, most: usize) -> Result<(), usize> {
        let mut state = self.queue.lock();
        let Some(at) = state.turns.iter().position(|waiter| waiter.number == self.number) else { return Ok(()) };
        if state.turns[at].is_waiting {
            return Ok(());
        }
        let is_same = |other: &&Waiter| other.is_waiting && other.model == state.turns[at].model;
        let waiting = state.turns.iter().filter(is_same).count();
        if waiting >= most {
            return Err(waiting);
        }
        state.turns[at].is_waiting = true;
        Ok(())
    }
}

impl Drop for QueueTicket<'_> {
    fn drop(&mut self) {
        self.queue.lock().turns.retain(|waiter| waiter.number != self.number);
        self.queue.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::demand::Need;

    fn demand(resource: &str) -> Demand {
        let need = Need { resource: resource.to_owned(), units: vec!["0".to_owned()], count: 1 };
        Demand { pool: "gpu1".to_owned(), needs: vec![need] }
    }

    #[tokio::test]
    async fn a_turn_comes_by_priority_and_by_arrival_within_it_among_those_that_compete() {
        let queue = TurnQueue::default();
        let first = queue.enter("m", &demand("gpu"), 0);
        let second = queue.enter("m", &demand("gpu"), 0);
        let other = queue.enter("m", &demand("slots"), 0);
        assert!(first.has_come() && !second.has_come() && other.has_come());
        let urgent = queue.enter("m", &demand("gpu"), 1);
        let idle = queue.enter("m", &demand("gpu"), -10);
        assert!(urgent.has_come() && !first.has_come());
        drop(urgent);
        assert!(first.has_come() && !second.has_come());
        let (came, ()) = tokio::join!(tokio::time::timeout(std::time::Duration::from_secs(10), second.come()), async {
            tokio::task::yield_now().await;
            drop(first);
        });
        came.expect("its turn");
        assert!(!idle.has_come());
    }

    #[test]
    fn the_queue_of_a_model_is_bounded() {
        let queue = TurnQueue::default();
        let turns: Vec<QueueTicket<'_>> = (0..3).map(|_| queue.enter("m", &demand("gpu"), 0)).collect();
        assert_eq!(turns[0].wait(2), Ok(()));
        assert_eq!(turns[0].wait(2), Ok(()));
        assert_eq!(turns[1].wait(2), Ok(()));
        assert_eq!(turns[2].wait(2), Err(2));
        assert_eq!(queue.enter("other", &demand("gpu"), 0).wait(2), Ok(()));
        assert_eq!(queue.waiting_for(&demand("gpu")), 2);
    }
}
