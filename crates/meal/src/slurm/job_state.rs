//! Reads what Slurm knows about a job: a line of `scontrol show job -o`.

use mer_core::Exit;

use super::{JobEnd, JobEndKind};

/// A job as Slurm tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum JobState {
    /// It runs.
    Running,
    /// It waits, or is being ended.
    Alive,
    /// It has ended before its process did.
    Cut(JobEnd),
    /// Its process has ended, and Slurm says how.
    Ended(Exit),
}

/// Returns the state of a job; none if the line is not one of a job.
pub(super) fn job_state(line: &str, id: &str) -> Option<JobState> {
    let field = |name: &str| line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let cut = |kind| Some(JobState::Cut(JobEnd { id: id.to_owned(), kind }));
    let state = field("JobState")?;
    if let Some(kind) = job_end_kind(state) {
        return cut(kind);
    }
    match state {
        "COMPLETED" | "FAILED" => {
            let (code, signal) = field("ExitCode")?.split_once(':')?;
            let (code, signal): (i32, i32) = (code.parse().ok()?, signal.parse().ok()?);
            Some(JobState::Ended(if signal > 0 { Exit::Signal(signal) } else { Exit::Code(code) }))
        }
        "PENDING" if field("Restarts").is_some_and(|count| count != "0") => cut(JobEndKind::Requeued),
        "RUNNING" => Some(JobState::Running),
        _ => Some(JobState::Alive),
    }
}

/// Returns why a job in this state has ended before its process did; none for other states.
pub(crate) fn job_end_kind(state: &str) -> Option<JobEndKind> {
    Some(match state {
        "TIMEOUT" | "DEADLINE" => JobEndKind::TimeLimit,
        "PREEMPTED" => JobEndKind::Preempted,
        "NODE_FAIL" | "BOOT_FAIL" => JobEndKind::NodeFailed,
        "OUT_OF_MEMORY" => JobEndKind::OutOfMemory,
        "REQUEUED" | "REQUEUE_HOLD" | "SPECIAL_EXIT" => JobEndKind::Requeued,
        "CANCELLED" | "REVOKED" => JobEndKind::Cancelled,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_told_apart() {
        let of = |state: &str, rest: &str| {
            job_state(&format!("JobId=12 JobName=mer-x UserId=ada(1) JobState={state} Reason=None {rest}"), "12")
        };
        let cut = |kind| Some(JobState::Cut(JobEnd { id: "12".to_owned(), kind }));
        assert_eq!(of("TIMEOUT", "Restarts=0 ExitCode=0:15"), cut(JobEndKind::TimeLimit));
        assert_eq!(of("PREEMPTED", ""), cut(JobEndKind::Preempted));
        assert_eq!(of("NODE_FAIL", ""), cut(JobEndKind::NodeFailed));
        assert_eq!(of("OUT_OF_MEMORY", ""), cut(JobEndKind::OutOfMemory));
        assert_eq!(of("CANCELLED", ""), cut(JobEndKind::Cancelled));
        assert_eq!(of("PENDING", "Restarts=1"), cut(JobEndKind::Requeued));
        for alive in ["PENDING", "COMPLETING", "CONFIGURING"] {
            assert_eq!(of(alive, "Restarts=0"), Some(JobState::Alive), "{alive}");
        }
        assert_eq!(of("RUNNING", "Restarts=0"), Some(JobState::Running));
        assert_eq!(of("FAILED", "ExitCode=4:0"), Some(JobState::Ended(Exit::Code(4))));
        assert_eq!(of("FAILED", "ExitCode=0:9"), Some(JobState::Ended(Exit::Signal(9))));
        assert_eq!(of("COMPLETED", "ExitCode=0:0"), Some(JobState::Ended(Exit::Code(0))));
        assert_eq!(job_state("slurm_load_jobs error: Invalid job id specified", "12"), None);
    }
}
