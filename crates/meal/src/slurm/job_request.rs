//! A job, as it is asked for.

use mer_core::Bound;

use super::job_pool::JobPool;

/// A job that a process is to have.
#[derive(Debug, Clone)]
pub struct JobRequest {
    /// Unique name, by which the job is found. In a job of a pool, the name of the step.
    pub name: String,
    /// The jobs in one of which it is to run. Without them it has one for itself.
    pub pool: Option<JobPool>,
    /// Maximum wait in the queue.
    pub queue_timeout: Bound,
}
