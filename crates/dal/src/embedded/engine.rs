//! The thread and the runtime that an engine lives on.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::DalError;

/// SurrealDB's parser and executor recurse, and unoptimised code does so with large frames.
const STACK_BYTES: usize = if cfg!(debug_assertions) { 64 << 20 } else { 16 << 20 };

/// How long the threads of a runtime may take to end. The engine is closed by then.
const RUNTIME_END: Duration = Duration::from_secs(1);

/// Runs `body` on a thread of its own, with a runtime for an engine. The runtime ends after it.
pub(crate) fn spawn(body: impl FnOnce(&Runtime) + Send + 'static) -> Result<(), DalError> {
    let thread = || {
        // The caller's runtime may have one thread only, and be the one that waits for us.
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("mer-engine")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()?;
        std::thread::Builder::new().name("mer-lease".to_owned()).stack_size(STACK_BYTES).spawn(move || {
            body(&runtime);
            runtime.shutdown_timeout(RUNTIME_END);
        })
    };
    thread().map(drop).map_err(|source| DalError::Thread { source })
}
