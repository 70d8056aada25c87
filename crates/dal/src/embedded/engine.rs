//! The thread and the runtimes that an engine lives on.
//!
//! The engine (surrealkv 0.21.4) merges tables beside what else is done, and this may end in a deadlock: whoever begins a
//! scan locks the list of memtables and then the list of tables, and who has merged tables locks the two the other way
//! round. It does so once after every opening, and whenever a memtable was full, which [`super::memtable`] prevents. So what the
//! engine does by itself has a runtime of its own with a single thread, where one can wait for it, see [`idle`], before
//! anybody reads; questions are answered on another.

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

/// SurrealDB's parser and executor recurse, and unoptimised code does so with large frames.
const STACK_BYTES: usize = if cfg!(debug_assertions) { 64 << 20 } else { 16 << 20 };

/// The threads that the engine starts for its process once: as many as there are processors, sixteen at least.
const POOL_LEAST: usize = 16;
/// The stack of such a thread.
const POOL_STACK_BYTES: usize = 2 << 20;
/// Those of each opening that have large stacks: its own, two that answer, and one in reserve.
const LARGE: usize = 4;
/// Those of each opening that have not: the engine's writers, the clock, and some in reserve.
const SMALL: usize = 6;
/// What an open engine holds beside its stacks, the memtable included, with a margin.
const HEAP_BYTES: usize = 160 << 20;

/// How long the threads of a runtime may take to end. The engine is closed by then.
const RUNTIME_END: Duration = Duration::from_secs(1);

/// Runs what `body` gives on a thread of its own, the engine's. `body` has the runtime that answers questions, which ends
/// after it.
pub(crate) fn spawn<F: Future<Output = ()>>(body: impl FnOnce(Handle) -> F + Send + 'static) -> Result<(), DalError> {
    let start = || {
        look_first()?;
        let (tell, told) = mpsc::channel();
        std::thread::Builder::new().name("mer-lease".to_owned()).stack_size(STACK_BYTES).spawn(move || {
            // Made here: one that is dropped because the next failed must not be dropped among the tasks of another.
            match runtimes() {
                Ok((own, questions)) => {
                    let _ = tell.send(Ok(()));
                    own.block_on(body(questions.handle().clone()));
                    questions.shutdown_timeout(RUNTIME_END);
                }
                Err(error) => drop(tell.send(Err(error))),
            }
        })?;
        told.recv().unwrap_or_else(|_| Err(io::Error::other("it has ended")))
    };
    start().map_err(|source| DalError::Thread { source: not_started(source) })
}

/// That of the engine's thread, and the one that answers.
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

/// Whether there is room for the threads and the memory of an engine. Its pool (affinitypool 0.8.0) starts a thread that
/// could not be started once more, from within, until the stack is used up; other libraries panic, and an allocation that
/// fails aborts. So as many threads are started and as much is allocated before: that is true for a moment only, but
/// limits do not change by themselves.
///
/// It is done where a limit is near enough to matter. Elsewhere it would cost each opening some twenty threads, and the static
/// binary's allocator the memory that it keeps for each.
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

/// Starts threads with these stacks at once, allocates, and lets all of it go.
fn room_for(stacks: impl Iterator<Item = usize>) -> io::Result<()> {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let mut started = Vec::new();
    let mut outcome = Ok(());
    for stack in stacks {
        let gate = Arc::clone(&gate);
        let wait = move || {
            let open = gate.0.lock().unwrap_or_else(PoisonError::into_inner);
            drop(gate.1.wait_while(open, |open| !*open).unwrap_or_else(PoisonError::into_inner));
        };
        match std::thread::Builder::new().stack_size(stack).spawn(wait) {
            Ok(thread) => started.push(thread),
            Err(error) => {
                // The system has one word for too many threads and for no room for a stack.
                outcome = if has_memory(stack) { Err(error) } else { Err(io::ErrorKind::OutOfMemory.into()) };
                break;
            }
        }
    }
    if outcome.is_ok() && !has_memory(HEAP_BYTES) {
        outcome = Err(io::ErrorKind::OutOfMemory.into());
    }
    *gate.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    gate.1.notify_all();
    for thread in started {
        let _ = thread.join();
    }
    outcome
}

/// Whether so much can be allocated. Nothing of it is touched.
fn has_memory(bytes: usize) -> bool {
    Vec::<u8>::new().try_reserve_exact(bytes).is_ok()
}

/// Waits, on the engine's thread, for the work that the engine has given itself there. A merge does not let go of the
/// thread before it has ended, and tasks have their turns in the order in which they became ready: whoever comes last and
/// has had a turn knows that the others have.
#[cfg(feature = "embedded")]
pub(crate) async fn idle() {
    let _ = tokio::spawn(async {}).await;
}
