//! How a job and its process ended.

use mer_core::Exit;

use super::JobEnd;

/// The end of a job and its process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JobReport {
    /// How the process ended.
    pub(super) exit: Exit,
    /// Why the job ended before it.
    pub(super) end: Option<JobEnd>,
    /// Why the exit is not known.
    pub(super) why_lost: Option<String>,
}
