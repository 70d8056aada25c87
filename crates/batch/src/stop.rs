//! Ending a batch before its last item, in two levels.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

/// How long work that cannot be ended is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// How urgently a batch is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopLevel {
    /// Not at all.
    None,
    /// Nothing new is started; what runs is finished and counts.
    Finish,
    /// What runs is ended, and does not count.
    End,
}

/// The request to end a batch. Clones share it.
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<StopLevel>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::channel(StopLevel::None).0))
    }
}

impl Stop {
    /// Raises the level. A lower level than the current one has no effect.
    pub fn raise(&self, to: StopLevel) {
        self.0.send_if_modified(|level| {
            let is_raised = to > *level;
            *level = to.max(*level);
            is_raised
        });
    }

    /// Returns the current level.
    #[must_use]
    pub fn level(&self) -> StopLevel {
        *self.0.borrow()
    }

    /// Waits until this level or a more urgent one is reached.
    pub async fn reached(&self, level: StopLevel) {
        let mut levels = self.0.subscribe();
        // Fails only without a sender, and this is one.
        let _ = levels.wait_for(|current| *current >= level).await;
    }

    /// Waits until this level or a more urgent one was reached for as long as work that cannot be ended is waited for: a thread that
    /// opens a named pipe, or writes to one that is not read. The end of the process ends it.
    pub(crate) async fn outlasted(&self, level: StopLevel) {
        self.reached(level).await;
        tokio::time::sleep(PATIENCE).await;
    }
}
