//! A job, as it begins and as it ends.

use std::{fmt, time::Duration};

/// A job that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedJob {
    /// Its number on the cluster.
    pub id: String,
    /// How long it waited in the queue.
    pub queued: Duration,
}

/// Why a job ended before its process did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobEndKind {
    /// Its time limit was reached.
    TimeLimit,
    /// Another job took its place.
    Preempted,
    /// It was put back into the queue.
    Requeued,
    /// A node failed.
    NodeFailed,
    /// A process used more memory than the job had.
    OutOfMemory,
    /// It was cancelled, and not by MER.
    Cancelled,
}

/// A job that ended before its process did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobEnd {
    /// Its number on the cluster.
    pub id: String,
    /// Why it ended.
    pub kind: JobEndKind,
}

impl fmt::Display for JobEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.kind {
            JobEndKind::TimeLimit => "reached its time limit",
            JobEndKind::Preempted => "was preempted by another job",
            JobEndKind::Requeued => "was put back into the queue",
            JobEndKind::NodeFailed => "lost its node",
            JobEndKind::OutOfMemory => "ran out of memory",
            JobEndKind::Cancelled => "was cancelled on the cluster",
        };
        write!(f, "job {} {why}", self.id)
    }
}
