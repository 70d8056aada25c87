//! Judges how a detached run ended.

use mer_core::{Access, AccessKind, DetachedRun, Exit, FailureKind, Status, signal_name};
use mer_meal::{DetachedEnd, DetachedState, EndedBy, JobEnd, JobEndKind};

/// The beginning of the error of a run whose job waited for too long.
const QUEUE_TIMEOUT: &str = "`queueTimeout` ran out";

/// The end of a detached run, as it goes on record.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judgement {
    pub(super) status: Status,
    pub(super) error: Option<String>,
    pub(super) exit: Option<Exit>,
    /// How long it ran, in seconds.
    pub(super) seconds: Option<u64>,
    /// How long its job waited in the queue of a cluster, in seconds.
    pub(super) queued: Option<u64>,
    /// Whether its folder is there, with what it wrote.
    pub(super) has_folder: bool,
    /// The folder of the attempt that follows, if its job was put back into the queue.
    pub(super) next_folder: Option<String>,
}

/// Returns how a run ended; none if it goes on, or if that is not known and may be known later.
pub(super) fn judge(run: &DetachedRun, state: &DetachedState) -> Option<Judgement> {
    let lost = |why: &str, has_folder| Judgement {
        status: Status::Lost,
        error: Some(why.to_owned()),
        exit: None,
        seconds: None,
        queued: None,
        has_folder,
        next_folder: None,
    };
    let not_started = "it was not started: the process that was to start it had ended before";
    Some(match state {
        DetachedState::Ended(end) => of_end(run, *end),
        DetachedState::Missing => lost(not_started, false),
        DetachedState::Unstarted => lost(not_started, true),
        DetachedState::Rebooted => lost("its machine was started again before its end was written down", true),
        DetachedState::Killed => lost("its supervisor was killed, and the model with it", true),
        DetachedState::Removed => lost("its folder was removed, and the model was ended", false),
        DetachedState::JobEnded(id, Some(kind)) => {
            let end = JobEnd { id: id.clone(), kind: *kind };
            let status = if *kind == JobEndKind::TimeLimit { Status::Timeout } else { Status::Failed };
            Judgement { status, ..lost(&end.to_string(), true) }
        }
        DetachedState::JobEnded(id, None) => {
            lost(&format!("job {id} is over, and the end of the model was not written down"), true)
        }
        DetachedState::Requeued(requeued) => Judgement {
            status: Status::Failed,
            seconds: requeued.seconds,
            queued: requeued.queued,
            next_folder: Some(requeued.next_folder.clone()),
            ..lost(&format!("{}, and runs again as attempt {}", requeued.cut, run.attempt + 1), true)
        },
        DetachedState::JobLate(id) => {
            let why = format!("{QUEUE_TIMEOUT}: job {id} was still in the queue");
            Judgement { status: Status::Timeout, ..lost(&why, true) }
        }
        DetachedState::JobStopped => Judgement { status: Status::Cancelled, ..lost("it was told to stop", true) },
        DetachedState::Starting | DetachedState::Queued | DetachedState::Running(_) => return None,
        DetachedState::Foreign | DetachedState::Elsewhere(_) => return overdue(run),
    })
}

/// Returns the end of a run whose end was not observed in time; none before that time.
pub(super) fn overdue(run: &DetachedRun) -> Option<Judgement> {
    run.is_overdue.then(|| Judgement {
        status: Status::Lost,
        error: Some(format!("its end was not observed until {:.0}", run.collect_by)),
        exit: None,
        seconds: None,
        queued: None,
        has_folder: false,
        next_folder: None,
    })
}

fn of_end(run: &DetachedRun, end: DetachedEnd) -> Judgement {
    let exit = end.status.map(|status| match status {
        129..=192 => Exit::Signal(status - 128),
        code => Exit::Code(code),
    });
    let (status, error) = match (end.by, exit) {
        (Some(EndedBy::Stop), _) => (Status::Cancelled, Some("it was told to stop".to_owned())),
        (Some(EndedBy::MaxRunTime), _) => {
            let bound = run.params.max_run_time.map(|bound| format!(" after {bound}")).unwrap_or_default();
            (Status::Timeout, Some(format!("`maxRunTime` ran out{bound}")))
        }
        (Some(EndedBy::QueueTimeout), _) => {
            (Status::Timeout, Some(format!("{QUEUE_TIMEOUT}: its job began too late, and was not used")))
        }
        (None, None) => (Status::Lost, Some("its supervisor was killed, and the model was ended".to_owned())),
        (None, Some(Exit::Code(0))) => (Status::Succeeded, None),
        (None, Some(exit)) => {
            // A shell tells a death by a signal and an exit with 128 plus its number alike.
            let source = if matches!(exit, Exit::Signal(_)) { ", as sh tells it" } else { "" };
            let full = if end.disk_full { "; the disk of its folder was full" } else { "" };
            (Status::Failed, Some(format!("the model {exit}{source}{full}")))
        }
    };
    // What was not started has no exit.
    let exit = exit.filter(|_| end.by != Some(EndedBy::QueueTimeout));
    Judgement { status, error, exit, seconds: end.seconds, queued: end.queued, has_folder: true, next_folder: None }
}

impl Judgement {
    /// Writes the end into the access.
    pub(super) fn write_to(&self, access: &mut Access) {
        access.status = self.status;
        access.error.clone_from(&self.error);
        match self.exit {
            Some(Exit::Code(code)) => access.exit_code = Some(code),
            Some(Exit::Signal(signal)) => access.signal = Some(signal_name(signal)),
            _ => {}
        }
    }
}

/// Returns the kind of the failure of an access that is over; none if it succeeded.
#[must_use]
pub fn failure_of(access: &Access) -> Option<FailureKind> {
    match access.status {
        Status::Succeeded => None,
        Status::Timeout if access.error.as_deref().is_some_and(|error| error.starts_with(QUEUE_TIMEOUT)) => {
            Some(FailureKind::Busy)
        }
        Status::Timeout => Some(FailureKind::Timeout),
        Status::Cancelled => Some(FailureKind::Cancelled),
        Status::Unreachable | Status::Lost => Some(FailureKind::Unreachable),
        // A train command promises to write weights.
        _ if access.kind == AccessKind::Train && access.exit_code == Some(0) => Some(FailureKind::Protocol),
        _ if access.exit_code.is_some_and(|code| code != 0) || access.signal.is_some() => {
            Some(FailureKind::ModelFailed)
        }
        _ => Some(match access.error.as_deref().and_then(JobEnd::at_the_beginning_of).map(|end| end.kind) {
            Some(JobEndKind::Preempted | JobEndKind::Requeued) => FailureKind::Busy,
            Some(JobEndKind::NodeFailed) => FailureKind::Unreachable,
            Some(JobEndKind::Cancelled) => FailureKind::Cancelled,
            Some(_) => FailureKind::ModelFailed,
            None => FailureKind::Io,
        }),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use mer_core::{Bound, DetachedParams};
    use mer_meal::RequeuedRun;
    use uuid::Uuid;

    use super::*;

    fn run(is_overdue: bool) -> DetachedRun {
        DetachedRun {
            request_uid: Uuid::nil(),
            attempt: 1,
            model: "m".to_owned(),
            server: "s".to_owned(),
            host: "h".to_owned(),
            boot_id: None,
            folder: None,
            job_id: None,
            claim: None,
            started_at: Timestamp::UNIX_EPOCH,
            collect_by: Timestamp::UNIX_EPOCH,
            is_overdue,
            params: DetachedParams { max_run_time: Some(Bound::secs(60)), ..DetachedParams::default() },
        }
    }

    #[test]
    fn each_end_has_its_status_and_its_words() {
        let end = |status, by, disk_full| {
            let end = DetachedEnd { status, at: None, seconds: Some(3), queued: None, disk_full, by };
            let judged = judge(&run(false), &DetachedState::Ended(end)).expect("it is over");
            (judged.status, judged.error.unwrap_or_default())
        };
        let is = |status, error: &str| (status, error.to_owned());
        assert_eq!(end(Some(0), None, false), is(Status::Succeeded, ""));
        assert_eq!(end(Some(3), None, false), is(Status::Failed, "the model exited with code 3"));
        assert_eq!(end(Some(137), None, false), is(Status::Failed, "the model died by SIGKILL, as sh tells it"));
        let full = "the model exited with code 1; the disk of its folder was full";
        assert_eq!(end(Some(1), None, true), is(Status::Failed, full));
        assert_eq!(end(Some(0), Some(EndedBy::Stop), false), is(Status::Cancelled, "it was told to stop"));
        let late = "`maxRunTime` ran out after 1m";
        assert_eq!(end(Some(143), Some(EndedBy::MaxRunTime), false), is(Status::Timeout, late));
        let late = "`queueTimeout` ran out: its job began too late, and was not used";
        assert_eq!(end(Some(124), Some(EndedBy::QueueTimeout), false), is(Status::Timeout, late));
        assert_eq!(end(None, None, false).0, Status::Lost);
        assert_eq!(end(None, Some(EndedBy::Stop), false).0, Status::Cancelled, "it was cut, and is not to begin again");
        let judged = judge(&run(false), &DetachedState::JobLate("7".to_owned())).expect("it is over");
        let late = "`queueTimeout` ran out: job 7 was still in the queue";
        assert_eq!((judged.status, judged.error.as_deref()), (Status::Timeout, Some(late)));
        let requeued = RequeuedRun {
            cut: JobEnd { id: "7".to_owned(), kind: JobEndKind::NodeFailed },
            seconds: Some(3),
            queued: None,
            next_folder: "/runs/u-2".to_owned(),
        };
        let judged = judge(&run(false), &DetachedState::Requeued(requeued)).expect("the attempt is over");
        let cut = "job 7 lost its node, and runs again as attempt 2";
        assert_eq!((judged.status, judged.error.as_deref()), (Status::Failed, Some(cut)));
        let mut access = mer_testkit::started(Uuid::nil(), 1, "m", Timestamp::UNIX_EPOCH);
        judged.write_to(&mut access);
        assert_eq!(failure_of(&access), Some(FailureKind::Unreachable));
        access.error = Some("job 7 was preempted by another job".to_owned());
        assert_eq!(failure_of(&access), Some(FailureKind::Busy));
        access.error = Some("job 7 was late".to_owned());
        assert_eq!(failure_of(&access), Some(FailureKind::Io));
        assert_eq!((judged.seconds, judged.next_folder.as_deref()), (Some(3), Some("/runs/u-2")));
    }

    #[test]
    fn what_may_still_run_is_lost_only_when_its_time_is_over() {
        let lost = |state: DetachedState, is_overdue| judge(&run(is_overdue), &state).map(|judged| judged.status);
        for state in [DetachedState::Foreign, DetachedState::Elsewhere("x".to_owned())] {
            assert_eq!((lost(state.clone(), false), lost(state, true)), (None, Some(Status::Lost)));
        }
        for state in [DetachedState::Running(None), DetachedState::Starting] {
            assert_eq!(lost(state, true), None, "it is there");
        }
        for state in [DetachedState::Rebooted, DetachedState::Killed, DetachedState::Removed, DetachedState::Missing] {
            assert_eq!(lost(state, false), Some(Status::Lost));
        }
    }
}
