//! The processes of one server's `ProxyCommand` that run, so that all of them can be ended.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::process::ChildProcess;
use crate::ssh::SshError;

/// The running processes of one server. Clones share them.
#[derive(Debug, Clone, Default)]
pub(in crate::ssh) struct RunningProxies(Arc<Mutex<Started>>);

#[derive(Debug, Default)]
pub(super) struct Started {
    /// Listed until they have ended, also while their owners end them: [`RunningProxies::end`] waits for those too.
    pub(super) running: Vec<Arc<ChildProcess>>,
    /// Set when this process is about to exit: no more are started.
    pub(super) closed: bool,
}

impl RunningProxies {
    /// Ends all of them and returns when they have ended. Called before this process exits, so that no group is left behind.
    pub(in crate::ssh) fn end(&self) {
        let all = {
            let mut started = self.lock();
            started.closed = true;
            std::mem::take(&mut started.running)
        };
        all.iter().for_each(|running| running.end());
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Started> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A started `ProxyCommand`. Dropping it ends its process group.
#[derive(Debug)]
pub(in crate::ssh) struct ProxyProcess {
    running: Arc<ChildProcess>,
    all: RunningProxies,
}

impl ProxyProcess {
    pub(super) const fn new(running: Arc<ChildProcess>, all: RunningProxies) -> Self {
        Self { running, all }
    }

    /// Explains a failed handshake by what the process did; `late` means that the time ran out. `None` if the process is not
    /// to blame.
    pub(in crate::ssh) fn explain(&self, host: String, connect_timeout: Duration, late: bool) -> Option<SshError> {
        self.running.explain(host, connect_timeout, late)
    }
}

impl Drop for ProxyProcess {
    fn drop(&mut self) {
        self.running.end();
        self.all.lock().running.retain(|other| !Arc::ptr_eq(other, &self.running));
    }
}
