//! The thread and the runtimes that an engine lives on.
//!
//! The engine (surrealkv 0.21.4) merges tables in the background, and that can end in a deadlock: a scan locks the list
//! of memtables and then the list of tables, and the end of a merge locks the two in the opposite order. The engine
//! merges once after every opening, and whenever a memtable was full, which [`super::memtable`] prevents. So the
//! engine's own work has a runtime with a single thread, on which [`idle`] waits for the merge before anything is read;
//! queries run on another runtime.

use std::{
    io,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use mer_core::not_started;
use tokio::runtime::{Builder, Handle, Runtime};

use super::limits;
use crate::DalError;

/// SurrealDB's parser and executor recurse, with large frames in unoptimised code.
const STACK_BYTES: usize = if cfg!(debug_assertions) { 64 << 20 } else { 16 << 20 };

/// Least number of threads in the pool that the engine starts once for the process; it has as many as there are
/// processors.
const POOL_LEAST: usize = 16;
/// Stack of a thread of that pool.
const POOL_STACK_BYTES: usize = 2 << 20;
/// Number of threads of each opening with a large stack: the engine's own, two for queries, and one in reserve.
const LARGE: usize = 4;
/// Number of other threads of each opening: the engine's writers, the clock, and some in reserve.
const SMALL: usize = 6;
/// Memory of an open engine besides its stacks: the memtable included, with a margin.
const HEAP_BYTES: usize = 160 << 20;

/// Bound on the end of a runtime's threads. The engine is closed by then.
const RUNTIME_END: Duration = Duration::from_secs(1);

/// Runs the future that `body` returns on a new thread, the engine's. `body` gets the handle of the runtime for
/// queries, which ends after the future.
pub(crate) fn spawn<F: Future<Output = ()>>(body: impl FnOnce(Handle) -> F + Send + 'static) -> Result<(), DalError> {
    let start = || {
        look_first()?;
        let (sender, receiver) = mpsc::channel();
        std::thread::Builder::new().name("mer-lease".to_owned()).stack_size(STACK_BYTES).spawn(move || {
            // Both are made on this thread: dropping a runtime inside the tasks of another one panics.
            match runtimes() {
                Ok((own, questions)) => {
                    let _ = sender.send(Ok(()));
                    own.block_on(body(questions.handle().clone()));
                    questions.shutdown_timeout(RUNTIME_END);
                }
                Err(error) => drop(sender.send(Err(error))),
            }
        })?;
        receiver.recv().unwrap_or_else(|_| Err(io::Error::other("it has ended")))
    };
    start().map_err(|source| DalError::Thread { source: not_started(source) })
}

/// Makes the runtime of the engine's thread and the one for queries.
fn runtimes() -> io::Result<(Runtime, Runtime)> {
    let own = Builder::new_current_thread().enable_all().build()?;
    let questions = Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("mer-engine")
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()?;
    Ok((own, questions))
}

/// Checks that there is room for the threads and the memory of an engine. The engine's pool (affinitypool 0.8.0)
/// replaces a thread that could not be started from within that thread, until the stack is used up; other libraries
/// panic, and a failed allocation aborts. So as many threads are started, and as much memory is allocated, before the
/// engine is opened. That proves it for a moment only, but limits rarely change.
///
/// Skipped unless a limit is near: it would cost each opening some twenty threads, and the allocator of the static
/// binary keeps memory for each of them.
fn look_first() -> io::Result<()> {
    if !limits::are_near() {
        return Ok(());
    }
    static POOL: AtomicBool = AtomicBool::new(false);
    let pool = match POOL.load(Ordering::Relaxed) {
        true => 0,
        false => std::thread::available_parallelism().map_or(1, usize::from).max(POOL_LEAST),
    };
    let large = std::iter::repeat_n(STACK_BYTES, LARGE);
    room_for(large.chain(std::iter::repeat_n(POOL_STACK_BYTES, SMALL + pool)))?;
    POOL.store(true, Ordering::Relaxed);
    Ok(())
}

/// Starts threads with these stacks at once, allocates memory in each of them and then as much as the engine takes, and
/// releases all of it.
///
/// Each thread allocates, because allocators reserve address space for every thread that does (64 MiB with glibc). Those of
/// the engine use what is reserved here; otherwise they would take it from what the engine was found to have.
fn room_for(stacks: impl Iterator<Item = usize>) -> io::Result<()> {
    /// Bytes that a thread allocates.
    const SOME: usize = 1024;
    /// Address space that is kept back for what comes after the check: what an allocator has reserved for a thread it keeps, so
    /// that a check that fails would leave nothing for its own report. More than the largest block that glibc takes from its heap.
    const REST: usize = 48 << 20;
    let mut rest = Vec::<u8>::new();
    rest.try_reserve_exact(REST).map_err(|_| io::ErrorKind::OutOfMemory)?;
    std::hint::black_box(&rest);
    let gate = Arc::new((Mutex::new(Gate::default()), Condvar::new()));
    let mut started = Vec::new();
    let mut outcome = Ok(());
    for stack in stacks {
        let gate = Arc::clone(&gate);
        let wait = move || {
            let mut bytes = Vec::<u8>::new();
            let has_allocated = bytes.try_reserve_exact(SOME).is_ok();
            let mut state = gate.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.waiting += 1;
            state.is_short |= !has_allocated;
            gate.1.notify_all();
            drop(gate.1.wait_while(state, |state| !state.open).unwrap_or_else(PoisonError::into_inner));
            drop(bytes);
        };
        match std::thread::Builder::new().stack_size(stack).spawn(wait) {
            Ok(thread) => started.push(thread),
            Err(error) => {
                // The system reports the same error for too many threads and for too little memory for a stack.
                outcome = if has_memory(stack) { Err(error) } else { Err(io::ErrorKind::OutOfMemory.into()) };
                break;
            }
        }
    }
    let state = gate.0.lock().unwrap_or_else(PoisonError::into_inner);
    let mut state =
        gate.1.wait_while(state, |state| state.waiting < started.len()).unwrap_or_else(PoisonError::into_inner);
    if outcome.is_ok() && (state.is_short || !has_memory(HEAP_BYTES)) {
        outcome = Err(io::ErrorKind::OutOfMemory.into());
    }
    state.open = true;
    drop(state);
    gate.1.notify_all();
    for thread in started {
        let _ = thread.join();
    }
    drop(rest);
    outcome
}

/// Holds the threads of [`room_for`] until all of them have been started.
#[derive(Default)]
struct Gate {
    /// Number of threads that have allocated and wait.
    waiting: usize,
    /// A thread could not allocate.
    is_short: bool,
    open: bool,
}

/// Returns whether so many bytes can be allocated. They are not touched.
fn has_memory(bytes: usize) -> bool {
    Vec::<u8>::new().try_reserve_exact(bytes).is_ok()
}

/// Waits, on the engine's thread, for the tasks that the engine has spawned there. A merge keeps the thread until it
/// has ended, and tasks run in the order in which they became ready: once the task that was spawned last has run, the
/// others have run too.
#[cfg(feature = "embedded")]
pub(crate) async fn idle() {
    let _ = tokio::spawn(async {}).await;
}
