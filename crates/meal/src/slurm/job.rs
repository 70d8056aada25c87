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

impl JobEndKind {
    const ALL: [Self; 6] =
        [Self::TimeLimit, Self::Preempted, Self::Requeued, Self::NodeFailed, Self::OutOfMemory, Self::Cancelled];

    const fn words(self) -> &'static str {
        match self {
            Self::TimeLimit => "reached its time limit",
            Self::Preempted => "was preempted by another job",
            Self::Requeued => "was put back into the queue",
            Self::NodeFailed => "lost its node",
            Self::OutOfMemory => "ran out of memory",
            Self::Cancelled => "was cancelled on the cluster",
        }
    }
}

impl JobEnd {
    /// Reads the end of a job at the beginning of a text, as it is displayed.
    #[must_use]
    pub fn at_the_beginning_of(text: &str) -> Option<Self> {
        let (id, why) = text.strip_prefix("job ")?.split_once(' ')?;
        let kind = JobEndKind::ALL.into_iter().find(|kind| why.starts_with(kind.words()))?;
        Some(Self { id: id.to_owned(), kind })
    }
}

impl fmt::Display for JobEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job {} {}", self.id, self.kind.words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_job_is_read_as_it_is_displayed() {
        for kind in JobEndKind::ALL {
            let end = JobEnd { id: "12".to_owned(), kind };
            assert_eq!(JobEnd::at_the_beginning_of(&end.to_string()), Some(end.clone()));
            assert_eq!(JobEnd::at_the_beginning_of(&format!("{end}, and runs again as attempt 2")), Some(end));
        }
        for text in ["", "job 12", "job 12 is over", "a job 12 lost its node"] {
            assert_eq!(JobEnd::at_the_beginning_of(text), None, "{text}");
        }
    }
}
