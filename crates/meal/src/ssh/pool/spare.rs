//! A wrapper that is started before its run comes.
//!
//! The start of a shell on the server takes longer than most of what follows: the login shell, its rc files, and `sh`.
//! While runs follow each other, the wrapper of the next one is therefore started beside the one before. It holds a slot
//! of its session, and waits for its line, which is the end of its input if no run comes.

use std::time::{Duration, Instant};

use super::{OpenShell, Pool};

/// Maximum time between two runs that follow each other.
const FOLLOWS: Duration = Duration::from_secs(1);
/// Maximum age of a spare wrapper, because files that it has read may change.
const FRESH: Duration = Duration::from_secs(2);

impl Pool {
    /// Starts a spare wrapper if runs follow each other, and a session has room for it and no other run: where several
    /// run at once, they start beside each other anyway. To be called when a run
    /// starts.
    pub(in crate::ssh) fn prepare(&self) {
        let handle = {
            let mut state = self.lock();
            let follows = state.started.replace(Instant::now()).is_some_and(|before| before.elapsed() < FOLLOWS);
            if !follows || state.spare.is_some() {
                return;
            }
            let free = |handle: &&super::SessionHandle| {
                let mut slots = handle.shared().slots();
                let free = handle.is_alive() && !slots.closing && slots.used == 1 && slots.used < slots.most;
                slots.used += usize::from(free);
                free
            };
            state.handles.iter().find(free).cloned()
        };
        if let Some(handle) = handle {
            // Without it the next run makes a wrapper of its own.
            let spare = self.request(&handle, true, true).ok();
            self.lock().spare = spare;
        }
    }

    /// Returns the spare wrapper, if there is one that was opened and is fresh.
    pub(in crate::ssh) async fn take_spare(&self) -> Option<OpenShell> {
        let mut spare = self.lock().spare.take()?;
        {
            let slots = spare.handle.shared().slots();
            if slots.closing || spare.since.elapsed() > FRESH {
                return None;
            }
            spare.run_state.set_spare(false);
        }
        matches!((&mut spare.answer).await, Ok(Ok(()))).then_some(spare)
    }
}
