//! The jobs of a batch on one cluster: those that are free, those that are asked for, and the processes that wait for one.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use mer_core::Bound;
use tokio::{
    sync::oneshot,
    task::{AbortHandle, JoinSet},
    time::sleep,
};

use super::{SlurmError, allocation::Allocation, executor::SlurmExecutor};
use crate::StartError;

/// How long a job stays without a process, and in the queue without a process that waits.
const IDLE: Duration = Duration::from_secs(30);
/// Pause between two looks for such jobs.
const LOOK: Duration = Duration::from_secs(5);

type Answer = Result<Allocation, StartError>;

/// The jobs of a batch on one cluster. Processes get one in the order in which they ask. There are never more jobs than
/// processes that have had one, or have waited for one, at the same time.
#[derive(Debug)]
pub(super) struct Allocations(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Jobs without a process, and since when.
    free: Vec<(Instant, Allocation)>,
    waiters: VecDeque<(u64, oneshot::Sender<Answer>)>,
    /// Jobs that were asked for, and have not begun. At least as many as waiters.
    requests: Vec<(u64, AbortHandle)>,
    /// When a process last began or ended to wait.
    last_wait: Instant,
    next: u64,
    is_closed: bool,
}

impl Allocations {
    /// No job yet. Must be called within a tokio runtime.
    pub(super) fn new() -> Arc<Self> {
        let (free, waiters, requests) = (Vec::new(), VecDeque::new(), Vec::new());
        let state = State { free, waiters, requests, last_wait: Instant::now(), next: 0, is_closed: false };
        let allocations = Arc::new(Self(Mutex::new(state)));
        tokio::spawn(end_idle(Arc::downgrade(&allocations)));
        allocations
    }

    /// Returns a free job, or the first one that becomes free or begins. `name` is that of a job that is asked for.
    pub(super) async fn take(
        self: &Arc<Self>,
        executor: &SlurmExecutor,
        name: impl FnOnce() -> String,
        bound: Bound,
    ) -> Result<AllocationLease, StartError> {
        let (sender, receiver) = oneshot::channel();
        let number = {
            let mut state = self.lock();
            state.free.retain(|(_, allocation)| !allocation.has_ended());
            if let Some((_, allocation)) = state.free.pop() {
                return Ok(self.lease(allocation));
            }
            if state.is_closed {
                return Err(closed());
            }
            state.last_wait = Instant::now();
            let number = state.next;
            state.next += 1;
            state.waiters.push_back((number, sender));
            if state.requests.len() < state.waiters.len() {
                let work = request(Arc::downgrade(self), number, executor.clone(), name(), bound);
                state.requests.push((number, tokio::spawn(work).abort_handle()));
            }
            number
        };
        let _waiting = Waiting { allocations: self, number };
        match receiver.await {
            Ok(answer) => answer.map(|allocation| self.lease(allocation)),
            Err(_) => Err(closed()),
        }
    }

    /// Gives all jobs back, and takes those that wait out of the queue. No further one is asked for.
    pub(super) async fn close(&self) {
        let free = {
            let mut state = self.lock();
            state.is_closed = true;
            state.waiters.clear();
            state.end_requests(0);
            std::mem::take(&mut state.free)
        };
        end_all(free).await;
    }

    /// Returns the jobs that have been free for too long, and takes those out of the queue that nothing has waited for.
    fn take_idle(&self, now: Instant) -> Vec<(Instant, Allocation)> {
        let mut state = self.lock();
        if state.waiters.is_empty() && now.duration_since(state.last_wait) >= IDLE {
            state.end_requests(0);
        }
        state.free.extract_if(.., |(since, _)| now.duration_since(*since) >= IDLE).collect()
    }

    fn lease(self: &Arc<Self>, allocation: Allocation) -> AllocationLease {
        AllocationLease { allocation: Some(allocation), allocations: Arc::downgrade(self) }
    }

    /// Hands a job, or why there is none, to the process that has waited the longest.
    fn offer(&self, mut answer: Answer) {
        let mut state = self.lock();
        while let Some((_, waiter)) = state.waiters.pop_front() {
            state.last_wait = Instant::now();
            match waiter.send(answer) {
                Ok(()) => return,
                Err(back) => answer = back,
            }
        }
        if let (Ok(allocation), false) = (answer, state.is_closed) {
            state.free.push((Instant::now(), allocation));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is a single call, so that a panic leaves the lists consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes jobs out of the queue that were asked for last, and leaves this many.
    fn end_requests(&mut self, left: usize) {
        let kept = left.min(self.requests.len());
        self.requests.drain(kept..).for_each(|(_, request)| request.abort());
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.end_requests(0);
    }
}

/// Gives back jobs that nothing needs, while a long item keeps the batch going.
async fn end_idle(allocations: Weak<Allocations>) {
    loop {
        sleep(LOOK).await;
        let Some(idle) = allocations.upgrade().map(|allocations| allocations.take_idle(Instant::now())) else { return };
        end_all(idle).await;
    }
}

async fn end_all(jobs: Vec<(Instant, Allocation)>) {
    let mut ends = JoinSet::new();
    for (_, allocation) in jobs {
        ends.spawn(allocation.end());
    }
    ends.join_all().await;
}

/// Asks for a job, and hands it to a process that waits.
async fn request(allocations: Weak<Allocations>, number: u64, executor: SlurmExecutor, name: String, bound: Bound) {
    let answer = Allocation::request(&executor, name, bound).await;
    let Some(allocations) = allocations.upgrade() else { return };
    allocations.lock().requests.retain(|(known, _)| *known != number);
    allocations.offer(answer);
}

/// A process that waits for a job. If it no longer does, nothing is asked for on its behalf.
struct Waiting<'a> {
    allocations: &'a Allocations,
    number: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.allocations.lock();
        if let Some(at) = state.waiters.iter().position(|(number, _)| *number == self.number) {
            state.waiters.remove(at);
            let left = state.waiters.len();
            state.end_requests(left);
        }
    }
}

/// A job that a process has. Dropping it ends the job.
#[derive(Debug)]
pub(super) struct AllocationLease {
    allocation: Option<Allocation>,
    allocations: Weak<Allocations>,
}

impl AllocationLease {
    /// Number and name of the job.
    pub(super) fn job(&self) -> (&str, &str) {
        self.allocation.as_ref().map_or(("", ""), |allocation| (&allocation.id, &allocation.name))
    }

    /// Gives the job back for another process.
    pub(super) fn give_back(mut self) {
        if let (Some(allocation), Some(allocations)) = (self.allocation.take(), self.allocations.upgrade())
            && !allocation.has_ended()
        {
            allocations.offer(Ok(allocation));
        }
    }
}

fn closed() -> StartError {
    SlurmError::BatchEnds.into()
}
