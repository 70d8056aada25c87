//! Starts a detached run on one machine.

use std::{io, os::fd::OwnedFd, time::Duration};

use super::{
    error::DetachedError,
    host::DetachedHost,
    input::{SentInput, behind},
};
use crate::{limits::UnitsGuard, outcome::Verdict, remote_shell::RunningScript};
use mer_core::{Bound, Exit, FailureKind, RunSpec, Status};
use mer_meal::{
    Cancel, CancelLevel, DetachedState, EndCause, Input, Launched, RequestEnd, RunFolder, StartError, SupervisorId,
    detached_command, end_of_input, inherited_descriptors, launch_script, launched,
};

/// What is started.
pub(super) struct Launch<'a> {
    pub(super) host: &'a DetachedHost,
    pub(super) spec: &'a RunSpec,
    /// Name of its folder.
    pub(super) name: String,
    pub(super) max_run_time: Option<Bound>,
    /// How long its job may wait in the queue of a cluster.
    pub(super) queue_timeout: Option<Bound>,
    /// How often it may run again if its cluster puts its job back into the queue.
    pub(super) retries: u32,
    /// What it is, for a person that looks into the folder.
    pub(super) about: String,
    pub(super) trains: bool,
    pub(super) hashes: bool,
    /// Whether it runs on this machine.
    pub(super) is_local: bool,
    pub(super) units: Option<&'a UnitsGuard>,
    pub(super) cancel: &'a Cancel,
}

/// How a start ended.
pub(super) enum LaunchEnd {
    /// It runs, and was sent this.
    Started(Launched, SentInput),
    /// It does not run.
    NotStarted(Box<Verdict>),
    /// The connection was lost, and it is not known whether it runs.
    Unclear(String),
}

/// The script that starts a run, on its machine. It waits for the command, and has made nothing.
pub(super) struct ReadyLaunch {
    running: RunningScript,
    command: String,
    /// Held until the script has ended.
    locks: Vec<OwnedFd>,
}

impl Launch<'_> {
    /// Starts the script that starts the run. The run itself is not started before [`Launch::launch`] sends the command.
    pub(super) async fn ready(&self) -> Result<ReadyLaunch, LaunchEnd> {
        let wrong = |error| not_started(Verdict::not_started(&self.host.server, &error));
        let spec = self.found_spec().await.map_err(wrong)?;
        let command = detached_command(&spec, &self.host.env, self.trains).map_err(wrong)?;
        let locks = self.inherited_locks().map_err(|error| {
            let why = format!("the locks of its units cannot be given to the run: {error}");
            not_started(Verdict::new(Status::Failed, FailureKind::Io, why))
        })?;
        let (script, supervisor) = launch_script();
        let seconds = |time: Duration| time.as_secs() + u64::from(time.subsec_nanos() > 0);
        let bound = |bound: Option<Bound>| bound.and_then(Bound::duration).map(|time| seconds(time).to_string());
        let grace = seconds(self.spec.bounds.grace).to_string();
        let mut arguments = vec![
            self.host.base.clone(),
            self.name.clone(),
            grace,
            bound(self.max_run_time).unwrap_or_default(),
            self.about.clone(),
            supervisor,
            bound(self.queue_timeout).unwrap_or_default(),
            self.retries.to_string(),
        ];
        arguments.extend(self.host.executor.submission().unwrap_or_default());
        match self.host.start(&script, arguments, Bound::Never, self.cancel).await {
            Ok(running) => Ok(ReadyLaunch { running, command, locks }),
            Err(DetachedError::Start { source, .. }) => Err(wrong(*source)),
            Err(_) => Err(not_started(Verdict::cancelled_before())),
        }
    }

    /// Stores the run on its machine, and starts its supervisor.
    pub(super) async fn launch(&self, ready: ReadyLaunch, input: Input) -> LaunchEnd {
        let ReadyLaunch { running, command, locks } = ready;
        let (stream, sending) = behind(command, input, end_of_input(&self.name), self.hashes);
        let ((ended, answer), sent) = tokio::join!(running.answer(stream, None, self.cancel), sending);
        drop(locks);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        if let (Some(launched), Some(Exit::Code(0))) = (launched(&answer), ended.exit) {
            return LaunchEnd::Started(launched, sent);
        }
        let mut verdict = self.verdict(&ended, &answer, &sent);
        // What Slurm said of a job that it did not take.
        if answer == "=refused\n"
            && matches!((&ended.cause, ended.exit, &sent.failed), (EndCause::Done, Some(Exit::Code(_)), None))
            && let Some(error) = self.host.executor.job_refusal(&String::from_utf8_lossy(&ended.stderr_tail)).await
        {
            verdict = Verdict::not_started(&self.host.server, &StartError::Slurm(error));
        }
        // A script that has ended by itself says for certain that nothing runs.
        match (&ended.cause, ended.exit) {
            (EndCause::Done, Some(Exit::Code(_))) => not_started(verdict),
            _ => self.clarify(verdict, sent).await,
        }
    }

    /// Returns what is started. On this machine the program is looked for at once, and `mer` means the running binary, by a path
    /// that is valid after the end of this process.
    async fn found_spec(&self) -> Result<RunSpec, StartError> {
        let mut spec = self.spec.clone();
        if self.is_local && self.host.executor.submission().is_none() {
            let program = self.host.executor.resolve(&spec).await?;
            if spec.argv.first().is_some_and(|first| first == "mer") {
                let program = program.canonicalize().unwrap_or(program);
                spec.argv[0] = program.to_string_lossy().into_owned();
            }
        }
        Ok(spec)
    }

    fn verdict(&self, ended: &RequestEnd, answer: &str, sent: &SentInput) -> Verdict {
        let server = &self.host.server;
        let command = || self.spec.argv.first().cloned().unwrap_or_default();
        let wrong = match answer {
            "=nf\n" => Some(StartError::NotFound { command: command(), searched: "the `PATH` there".to_owned() }),
            "=nx\n" => Some(StartError::NotExecutable { path: command().into() }),
            "=cd\n" => Some(StartError::BadWorkingDirectory {
                path: self.spec.cwd.clone().unwrap_or_default(),
                source: io::ErrorKind::NotADirectory.into(),
            }),
            _ => None,
        };
        if let Some(wrong) = wrong {
            return Verdict::not_started(server, &wrong);
        }
        if let Some(error) = &sent.failed {
            let why = EndCause::InputFailed(error.to_string()).to_string();
            return Verdict::new(Status::Failed, FailureKind::Io, why);
        }
        if self.cancel.level() != CancelLevel::None {
            return Verdict::cancelled_before();
        }
        match DetachedError::of_end(server, ended) {
            DetachedError::Refused { why, .. } => {
                Verdict::new(Status::Failed, FailureKind::Io, format!("it could not be started on `{server}`: {why}"))
            }
            other => Verdict {
                elsewhere: true,
                ..Verdict::new(Status::Unreachable, FailureKind::Unreachable, other.to_string())
            },
        }
    }

    /// Asks the machine whether the run was started, over a new connection if the former one was lost.
    async fn clarify(&self, verdict: Verdict, sent: SentInput) -> LaunchEnd {
        let folder = RunFolder::Default { name: self.name.clone(), base: self.host.base.clone() };
        let supervisor = SupervisorId::default();
        let look = || async {
            let seen = self.host.look(&[(supervisor.clone(), folder.clone())], &Cancel::new()).await.ok()?;
            let run = seen.seen.into_iter().next()?;
            Some((seen.boot_id, seen.host, run))
        };
        for _ in 0..CLARIFYING_LOOKS {
            match look().await {
                Some((_, _, run)) if run.state == DetachedState::Starting => tokio::time::sleep(CLARIFYING_PAUSE).await,
                Some((_, _, run)) if matches!(run.state, DetachedState::Missing | DetachedState::Unstarted) => {
                    return not_started(verdict);
                }
                Some((boot_id, host, run)) => {
                    let Some(folder) = run.folder else { break };
                    if self.cancel.level() != CancelLevel::None {
                        let _ = self.host.signal(&folder, true, &Cancel::new()).await;
                    }
                    // Its pid is in its folder.
                    let launched = Launched {
                        pid: 0,
                        start_time: String::new(),
                        boot_id,
                        host,
                        folder,
                        job_id: None,
                        ends_with_session: false,
                    };
                    return LaunchEnd::Started(launched, sent);
                }
                None => break,
            }
        }
        LaunchEnd::Unclear(verdict.error.unwrap_or_default())
    }

    /// Returns copies of the locks of the run's units, which its supervisor inherits.
    fn inherited_locks(&self) -> io::Result<Vec<OwnedFd>> {
        self.units.filter(|_| self.is_local).map_or_else(|| Ok(Vec::new()), |units| inherited_descriptors(units))
    }
}

/// Number of looks at a run whose start is unclear, and the pause between them.
const CLARIFYING_LOOKS: u32 = 20;
const CLARIFYING_PAUSE: Duration = Duration::from_millis(250);

fn not_started(verdict: Verdict) -> LaunchEnd {
    LaunchEnd::NotStarted(Box::new(verdict))
}
