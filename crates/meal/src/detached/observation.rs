//! What a look at detached runs has shown.

use crate::{JobEnd, JobEndKind, slurm::job_end_kind};

/// The supervisor of a run, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SupervisorId {
    /// Its process id.
    pub pid: Option<u32>,
    /// Start time of that process.
    pub start_time: Option<String>,
    /// Boot of its machine.
    pub boot_id: Option<String>,
    /// Name of its machine; none before it has started.
    pub host: Option<String>,
}

impl SupervisorId {
    /// Returns the line that tells the script to look at a run with this folder. `None` if the folder cannot be named in a
    /// line.
    #[must_use]
    pub fn line(&self, folder: &RunFolder) -> Option<String> {
        let word = |word: Option<&str>| {
            let word = word.filter(|word| !word.is_empty() && !word.contains(char::is_whitespace));
            word.unwrap_or("-").to_owned()
        };
        let pid = self.pid.map(|pid| pid.to_string());
        let words = [pid.as_deref(), self.start_time.as_deref(), self.boot_id.as_deref(), self.host.as_deref()];
        let folder = match folder {
            RunFolder::Known(path) => path.clone(),
            RunFolder::Default { name, base } => format!("={name}/{base}"),
        };
        (!folder.contains(['\n', '\0'])).then(|| format!("{} {folder}\n", words.map(word).join(" ")))
    }
}

/// The folder of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunFolder {
    /// Its path.
    Known(String),
    /// The one that a run of this name gets.
    Default {
        /// Name of the run.
        name: String,
        /// The folder that its server has for MER; empty for the default.
        base: String,
    },
}

/// Why a run was told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// Its caller, or another one.
    Stop,
    /// Its maximum run time had passed.
    MaxRunTime,
    /// Its job had waited in the queue for too long. It was not started.
    QueueTimeout,
}

/// The end of a run, as its supervisor has written it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DetachedEnd {
    /// Exit status of the model, as a shell has it; none if the supervisor was killed before.
    pub status: Option<i32>,
    /// When it ended, in seconds since 1970 by the clock of its machine.
    pub at: Option<i64>,
    /// How long it ran, in seconds by that clock.
    pub seconds: Option<u64>,
    /// How long its job waited in the queue of a cluster, in seconds by the clocks of two machines.
    pub queued: Option<u64>,
    /// Whether the disk of its folder was full.
    pub disk_full: bool,
    /// Why it was told to end.
    pub by: Option<EndedBy>,
}

/// An attempt that was cut because its job was put back into the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequeuedRun {
    /// Its job, and why it was put back.
    pub cut: JobEnd,
    /// How long the attempt ran, in seconds.
    pub seconds: Option<u64>,
    /// How long its job had waited in the queue before, in seconds.
    pub queued: Option<u64>,
    /// The folder of the next attempt.
    pub next_folder: String,
}

/// State of a detached run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DetachedState {
    /// Its input is being stored.
    Starting,
    /// Its job waits in the queue of a cluster.
    Queued,
    /// Its job has ended before its end was written; none if the cluster does not say why.
    JobEnded(String, Option<JobEndKind>),
    /// Its job, with this number, was taken out of the queue, because it had waited for too long.
    JobLate(String),
    /// Its job was put back into the queue, and is another attempt from then on.
    Requeued(RequeuedRun),
    /// Its job was taken out of the queue, or ended, because it was told to stop.
    JobStopped,
    /// It runs; seconds since its start, if they are known.
    Running(Option<u64>),
    /// It is over.
    Ended(DetachedEnd),
    /// There is no folder, and no supervisor was ever known.
    Missing,
    /// The folder is there, and what was to start the run is gone.
    Unstarted,
    /// The machine was started again before the end of the run was written.
    Rebooted,
    /// The supervisor was killed, and what took its place too. The model was ended.
    Killed,
    /// The folder was removed, and the supervisor is gone.
    Removed,
    /// The folder belongs to another user.
    Foreign,
    /// The supervisor is on this other machine, which shares the folder.
    Elsewhere(String),
}

/// What a look has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Boot of the machine that has looked; none where that is not known.
    pub boot_id: Option<String>,
    /// Name of that machine.
    pub host: String,
    /// The runs, in the order in which they were named.
    pub seen: Vec<SeenRun>,
}

/// A run that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRun {
    /// Its state.
    pub state: DetachedState,
    /// Its folder, if that was not known.
    pub folder: Option<String>,
}

/// Reads the answer of [`super::LOOK`] about `count` runs; none if it is not complete.
#[must_use]
pub fn observations(answer: &str, count: usize) -> Option<Observation> {
    let mut lines = answer.lines();
    let (boot_id, host) = lines.next()?.strip_prefix("=h ")?.split_once(' ')?;
    let (mut seen, mut folder) = (Vec::new(), None);
    for line in lines {
        match line.strip_prefix('>') {
            Some(path) => folder = Some(path.to_owned()),
            None => seen.push(SeenRun { state: state(line)?, folder: folder.take() }),
        }
    }
    let boot_id = Some(boot_id).filter(|boot| *boot != "-").map(str::to_owned);
    (seen.len() == count && answer.ends_with('\n')).then(|| Observation { boot_id, host: host.to_owned(), seen })
}

fn state(line: &str) -> Option<DetachedState> {
    let line = line.strip_prefix('=')?;
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    Some(match word {
        "starting" => DetachedState::Starting,
        "queued" => DetachedState::Queued,
        "job" => {
            let (state, id) = rest.split_once(' ')?;
            match state {
                "STOPPED" => DetachedState::JobStopped,
                "LATE" => DetachedState::JobLate(id.to_owned()),
                state => DetachedState::JobEnded(id.to_owned(), job_end_kind(state)),
            }
        }
        "again" => {
            let mut words = rest.splitn(4, ' ');
            let (kind, id) = (job_end_kind(words.next()?)?, words.next()?.to_owned());
            let (seconds, queued) = times(words.next()?);
            let next_folder = words.next()?.to_owned();
            DetachedState::Requeued(RequeuedRun { cut: JobEnd { id, kind }, seconds, queued, next_folder })
        }
        "runs" => DetachedState::Running(rest.parse().ok()),
        "end" => DetachedState::Ended(end(rest)?),
        "missing" => DetachedState::Missing,
        "unstarted" => DetachedState::Unstarted,
        "rebooted" => DetachedState::Rebooted,
        "killed" => DetachedState::Killed,
        "removed" => DetachedState::Removed,
        "foreign" => DetachedState::Foreign,
        "elsewhere" => DetachedState::Elsewhere(rest.to_owned()),
        _ => return None,
    })
}

fn end(text: &str) -> Option<DetachedEnd> {
    let mut words = text.strip_suffix(" .")?.split(' ');
    let (status, at, seconds) = (words.next()?, words.next()?, words.next()?);
    let (full, by) = (words.next()?, words.next()?);
    let (seconds, queued) = times(seconds);
    Some(DetachedEnd {
        status: status.parse().ok(),
        at: at.parse().ok(),
        seconds,
        queued,
        disk_full: full == "full",
        by: match by {
            "stop" => Some(EndedBy::Stop),
            "maxRunTime" => Some(EndedBy::MaxRunTime),
            "queueTimeout" => Some(EndedBy::QueueTimeout),
            _ => None,
        },
    })
}

/// Returns how long a run took, and how long its job had waited before, in seconds: `60+9`.
fn times(word: &str) -> (Option<u64>, Option<u64>) {
    let (ran, queued) = word.split_once('+').map_or((word, None), |(ran, queued)| (ran, Some(queued)));
    (ran.parse().ok(), queued.and_then(|queued| queued.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_whole_or_not_at_all() {
        let answer = "=h b-1 gpu1\n>/a b/runs/u-1\n=runs 42\n=end 137 1700000000 60+9 full stop .\n=elsewhere login2\n=end - 1 - - supervisor .\n";
        let seen = observations(answer, 4).expect("an answer");
        let ended = DetachedEnd {
            status: Some(137),
            at: Some(1_700_000_000),
            seconds: Some(60),
            queued: Some(9),
            disk_full: true,
            by: Some(EndedBy::Stop),
        };
        let killed = DetachedEnd { status: None, at: Some(1), seconds: None, queued: None, disk_full: false, by: None };
        assert_eq!((seen.boot_id.as_deref(), seen.host.as_str()), (Some("b-1"), "gpu1"));
        let of = |state, folder: Option<&str>| SeenRun { state, folder: folder.map(str::to_owned) };
        let runs = [
            of(DetachedState::Running(Some(42)), Some("/a b/runs/u-1")),
            of(DetachedState::Ended(ended), None),
            of(DetachedState::Elsewhere("login2".to_owned()), None),
            of(DetachedState::Ended(killed), None),
        ];
        assert_eq!(seen.seen, runs);
        let requeued = RequeuedRun {
            cut: JobEnd { id: "12".to_owned(), kind: JobEndKind::Preempted },
            seconds: Some(60),
            queued: Some(9),
            next_folder: "/a b/runs/u-2".to_owned(),
        };
        let again = observations("=h b-1 gpu1\n=again PREEMPTED 12 60+9 /a b/runs/u-2\n", 1).expect("an answer");
        assert_eq!(again.seen, [of(DetachedState::Requeued(requeued), None)]);
        for wrong in ["", "=h b-1 gpu1\n", &answer[..answer.len() - 1], "=h b-1 gpu1\n=x\n=x\n=x\n=x\n", "noise\n"] {
            assert_eq!(observations(wrong, 4), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_not_known_is_a_dash() {
        let folder = |path: &str| RunFolder::Known(path.to_owned());
        let known = SupervisorId {
            pid: Some(7),
            start_time: Some("99".to_owned()),
            boot_id: Some("b".to_owned()),
            host: Some("h".to_owned()),
        };
        assert_eq!(known.line(&folder("/a b")).as_deref(), Some("7 99 b h /a b\n"));
        let odd = SupervisorId { host: Some("a b".to_owned()), ..SupervisorId::default() };
        assert_eq!(odd.line(&folder("/a")).as_deref(), Some("- - - - /a\n"));
        assert_eq!(odd.line(&folder("/a\nb")), None);
        let usual = RunFolder::Default { name: "u-1".to_owned(), base: "~/c d".to_owned() };
        assert_eq!(odd.line(&usual).as_deref(), Some("- - - - =u-1/~/c d\n"));
    }
}
