//! A process that stays up, with what belongs to it for its life.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use mer_core::RunSpec;
use mer_meal::{Cancel, StderrHook, WarmProcess};
use tokio::sync::mpsc;

use crate::limits::UnitsGuard;

/// Receives the stderr of a process that stays up, while it serves the request of that receiver. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct StderrObserver(Arc<Mutex<Option<mpsc::Sender<Bytes>>>>);

impl StderrObserver {
    /// Sets the receiver from now on, or none.
    pub(crate) fn set(&self, receiver: Option<mpsc::Sender<Bytes>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = receiver;
    }

    /// Returns the hook that the process is started with. Chunks that the receiver cannot take at once are dropped for it, but
    /// not for the log.
    pub(crate) fn hook(&self) -> StderrHook {
        let observer = self.clone();
        Arc::new(move |chunk: &[u8]| {
            if let Some(receiver) = observer.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
                let _ = receiver.try_send(Bytes::copy_from_slice(chunk));
            }
        })
    }
}

/// A process that stays up.
#[derive(Debug)]
pub(crate) struct PooledProcess {
    /// The specification that it was started with.
    pub(crate) spec: RunSpec,
    pub(crate) process: WarmProcess,
    pub(crate) stderr: StderrObserver,
    /// The units that it holds, until its group is gone.
    pub(crate) units: Option<Arc<UnitsGuard>>,
}

impl PooledProcess {
    /// Ends the process within its grace period, or at once when `cancel` says so.
    pub(crate) async fn stop(self, cancel: &Cancel) {
        let Self { spec, process, .. } = self;
        process.stop(spec.bounds.grace, cancel).await;
    }
}

/// Ends a process that was never kept, within its grace period.
pub(crate) async fn stop_now(process: PooledProcess) {
    process.stop(&Cancel::new()).await;
}
