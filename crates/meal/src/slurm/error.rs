//! Jobs that did not begin.

use mer_core::{Bound, Classified, FailureKind};
use thiserror::Error;

/// Why a job did not begin.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SlurmError {
    /// The commands of Slurm are not where they are called.
    #[error("`{command}` is not in the PATH there: Slurm's commands are needed")]
    NoCommands {
        /// The command.
        command: String,
    },
    /// The partition does not exist.
    #[error("the partition `{partition}` does not exist (there are {})", names(.known))]
    NoPartition {
        /// Its name.
        partition: String,
        /// The partitions that exist.
        known: Vec<String>,
    },
    /// Slurm refused the job, in its own words.
    #[error("Slurm refused the job: {words}")]
    Refused {
        /// What Slurm said.
        words: String,
    },
    /// A limit of the account or the quality of service is reached.
    #[error("Slurm takes no further job: {words}")]
    LimitReached {
        /// What Slurm said.
        words: String,
    },
    /// The controller does not answer.
    #[error("Slurm cannot be reached: {words}")]
    Unreachable {
        /// What Slurm said.
        words: String,
    },
    /// The job did not begin in time.
    #[error("`queueTimeout` ran out after {after}: {job} was still in the queue{}", .reason.as_ref().map(|why| format!(" ({why})")).unwrap_or_default())]
    QueueTimeout {
        /// The job: "job 12".
        job: String,
        /// The bound.
        after: Bound,
        /// Why it waits, in Slurm's words.
        reason: Option<String>,
    },
    /// The job ended before the process in it began.
    #[error("the job ended before the process in it began: {words}")]
    Ended {
        /// What Slurm said.
        words: String,
    },
    /// The batch that the job is for ended before it began.
    #[error("cancelled before the job began, because the batch ends")]
    BatchEnds,
    /// The job was cancelled before it began, and not by MER.
    #[error("the job was cancelled in the queue: {words}")]
    Cancelled {
        /// What Slurm said.
        words: String,
    },
}

/// Returns a list for a sentence.
fn names(known: &[String]) -> String {
    if known.is_empty() {
        return "none that is told".to_owned();
    }
    known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl Classified for SlurmError {
    fn failure_kind(&self) -> FailureKind {
        match self {
            Self::NoCommands { .. } | Self::NoPartition { .. } | Self::Refused { .. } => FailureKind::Config,
            Self::LimitReached { .. } | Self::QueueTimeout { .. } | Self::Ended { .. } => FailureKind::Busy,
            Self::Unreachable { .. } => FailureKind::Unreachable,
            Self::Cancelled { .. } | Self::BatchEnds => FailureKind::Cancelled,
        }
    }
}
