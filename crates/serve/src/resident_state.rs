//! What all connections of a resident share.

use std::sync::Arc;

use mer_meal::Cancel;
use mer_service::Runtime;

use crate::{drain::DrainProcess, life::Life, messages::Messages};

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Resident {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) life: Life,
    /// Raised when the resident ends: it cancels all runs.
    pub(crate) end: Cancel,
    pub(crate) drain: DrainProcess,
    pub(crate) mer_version: String,
    pub(crate) messages: Arc<dyn Messages>,
}

impl Resident {
    /// To be called after each run.
    pub(crate) fn after_run(&self) {
        if self.runtime.is_journal_long() {
            self.drain.start();
        }
    }
}
