//! How far a batch is, and how it ended.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use mer_core::{Classified as _, FailureKind};

use crate::{error::BatchError, halt::Halt, stop::StopLevel};

/// Is told what happens in a batch. It is called by the task of the batch, and must not block.
pub type Observer = Arc<dyn Fn(Event) + Send + Sync>;

/// What happens in a batch.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// How far it is: about five times a second.
    Progress(Progress),
    /// Lines end with a carriage return, which belongs to their items. `line` is the first of them, from 1.
    CarriageReturn {
        /// Number of the first such line, from 1.
        line: u64,
    },
    /// An item failed for good.
    ItemFailed {
        /// The value of its id field, or its identity.
        id: String,
        /// Number of its first line, from 1.
        line: u64,
        /// Why.
        message: String,
        /// Whether it was answered, and the answer does not fit into the format of the results.
        is_unfit: bool,
    },
    /// No server can be reached for now; the batch goes on trying.
    Waiting {
        /// Message of the last attempt.
        message: String,
    },
}

/// Items that a server has answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerProgress {
    /// Number of items that succeeded.
    pub succeeded: u64,
    /// Number of items that failed.
    pub failed: u64,
}

/// How far a batch is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// Number of items of the input; `None` while it is not known.
    pub total: Option<u64>,
    /// Number of items that succeeded, with those of earlier processes.
    pub succeeded: u64,
    /// Number of items that failed, with those of earlier processes.
    pub failed: u64,
    /// Number of items whose result an earlier process has made.
    pub kept: u64,
    /// Number of items that processes have now.
    pub running: u64,
    /// Number of parts that run now.
    pub parts: u64,
    /// Items a second over the last ten seconds.
    pub rate: f64,
    /// Time that is left at this rate; `None` where the total is not known, or nothing was done yet.
    pub left: Option<Duration>,
    /// What each server has answered.
    pub servers: BTreeMap<String, ServerProgress>,
}

/// Why a batch ended.
#[derive(Debug)]
pub enum BatchEnd {
    /// Every item has its result.
    Complete,
    /// The policy of halting was reached.
    Halted(Halt),
    /// It was stopped from outside, at this level.
    Stopped(StopLevel),
    /// It could not go on.
    Failed(BatchError),
}

/// How a batch ended.
#[derive(Debug)]
pub struct Summary {
    /// The counts at the end.
    pub progress: Progress,
    /// How long it took.
    pub elapsed: Duration,
    /// Why it ended.
    pub end: BatchEnd,
    /// Whether another process can go on with it.
    pub is_resumable: bool,
}

impl Summary {
    /// Returns the kind of failure; `None` if every item succeeded. Failed items are [`FailureKind::ModelFailed`].
    #[must_use]
    pub fn failure_kind(&self) -> Option<FailureKind> {
        match &self.end {
            BatchEnd::Failed(error) => Some(error.failure_kind()),
            BatchEnd::Stopped(_) => Some(FailureKind::Cancelled),
            BatchEnd::Complete | BatchEnd::Halted(_) => (self.progress.failed > 0).then_some(FailureKind::ModelFailed),
        }
    }
}
