//! What one process holds, and the watcher with it.

use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::watcher_client::WatcherClient;
use crate::Held;

/// What the processes of an executor hold, and the watcher that holds it too.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    pub(crate) held: Arc<dyn Held>,
    /// The watcher of this machine.
    pub(crate) watcher: Option<Arc<WatcherClient>>,
}

/// What one process holds. Dropping it lets go of it.
#[derive(Debug)]
pub(crate) struct Holding {
    held: Option<Arc<dyn Held>>,
    watcher: Option<Arc<WatcherClient>>,
    number: u64,
}

impl Holding {
    /// Hands it to the watcher, for a local process with this number.
    pub(super) fn local(held: &Arc<dyn Held>, watcher: Option<&Arc<WatcherClient>>, number: u64) -> io::Result<Self> {
        if let Some(watcher) = watcher {
            watcher.hold(number, held, None)?;
        }
        Ok(Self { held: Some(Arc::clone(held)), watcher: watcher.cloned(), number })
    }

    /// Hands it to the watcher, for a process on another machine.
    pub(crate) fn remote(holder: &Holder) -> io::Result<Self> {
        let Holder { held, watcher } = holder;
        let mut number = 0;
        if let Some(watcher) = watcher {
            number = watcher.mark(false).0;
            watcher.hold(number, held, Some(held.orphan_time()))?;
        }
        Ok(Self { held: Some(Arc::clone(held)), watcher: watcher.clone(), number })
    }

    /// Lets go of it once `gone` completes with true, which says that the process is gone, or when the process must have ended
    /// by itself.
    pub(crate) fn outlast(self, gone: impl Future<Output = bool> + Send + 'static) {
        let Some(most) = self.held.as_ref().map(|held| held.orphan_time()) else { return };
        let end = Instant::now() + most;
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            // A thread that is not there would let go too early; the watcher still waits.
            let _ = thread::Builder::new().name("mer-hold".to_owned()).spawn(move || {
                thread::sleep(most);
                drop(self);
            });
            return;
        };
        runtime.spawn(async move {
            if !tokio::time::timeout(most, gone).await.unwrap_or(false) {
                tokio::time::sleep(end.saturating_duration_since(Instant::now()).max(Duration::ZERO)).await;
            }
            drop(self);
        });
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        drop(self.held.take());
        if let Some(watcher) = &self.watcher {
            watcher.free(self.number);
        }
    }
}
