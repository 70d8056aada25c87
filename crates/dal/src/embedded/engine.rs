//! The thread and the runtimes that an engine lives on.
//!
//! The engine (surrealkv 0.21.4) merges tables beside what else is done, and this may end in a deadlock: whoever begins a
//! scan locks the list of memtables and then the list of tables, and who has merged tables locks the two the other way
//! round. It does so once after every opening, and whenever a memtable was full, which [`super::room`] prevents. So what the
//! engine does by itself has a runtime of its own with a single thread, where one can wait for it, see [`idle`], before
//! anybody reads; questions are answered on another.

use std::time::Duration;

use tokio::runtime::{Builder, Handle};

use crate::DalError;

/// SurrealDB's parser and executor recurse, and unoptimised code does so with large frames.
const STACK_BYTES: usize = if cfg!(debug_assertions) { 64 << 20 } else { 16 << 20 };

/// How long the threads of a runtime may take to end. The engine is closed by then.
const RUNTIME_END: Duration = Duration::from_secs(1);

/// Runs what `body` gives on a thread of its own, the engine's. `body` has the runtime that answers questions, which ends
/// after it.
pub(crate) fn spawn<F: Future<Output = ()>>(body: impl FnOnce(Handle) -> F + Send + 'static) -> Result<(), DalError> {
    let thread = || {
        let own = Builder::new_current_thread().enable_all().build()?;
        let questions = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("mer-engine")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()?;
        std::thread::Builder::new().name("mer-lease".to_owned()).stack_size(STACK_BYTES).spawn(move || {
            own.block_on(body(questions.handle().clone()));
            questions.shutdown_timeout(RUNTIME_END);
        })
    };
    thread().map(drop).map_err(|source| DalError::Thread { source })
}

/// Waits, on the engine's thread, for the work that the engine has given itself there. A merge does not let go of the
/// thread before it has ended, and tasks have their turns in the order in which they became ready: whoever comes last and
/// has had a turn knows that the others have.
#[cfg(feature = "embedded")]
pub(crate) async fn idle() {
    let _ = tokio::spawn(async {}).await;
}
