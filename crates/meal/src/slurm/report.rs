//! How the process of a job ended: by the script of the job, and where that had no say, by Slurm.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mer_core::Exit;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{
    executor::SlurmExecutor,
    job_report::JobReport,
    job_state::{JobState, job_state},
};
use crate::{exit_marker::exit_of_shell, stderr_relay::StderrRelay};

/// How long Slurm is asked about a job that is being ended.
const ASK_BOUND: Duration = Duration::from_secs(60);
/// First and greatest pause between two questions.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// Pause before a second look at a job that goes on although its process was ended by a signal: the job may be about to end.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// What is followed to its end.
#[derive(Debug)]
pub(super) struct Followed {
    /// Number of the job.
    pub(super) job: String,
    /// Number of the step, if the job is to go on after it.
    pub(super) step: Option<String>,
}

/// Waits for the end of a job or a step, and returns where its report will be. `signalled` is whether MER ended it.
pub(super) fn follow(
    executor: SlurmExecutor,
    followed: Followed,
    relay: Arc<StderrRelay>,
    signalled: Arc<AtomicBool>,
) -> watch::Receiver<Option<JobReport>> {
    let (reported, receiver) = watch::channel(None);
    tokio::spawn(async move {
        let end = relay.ended().await;
        let by_us = signalled.load(Ordering::Relaxed);
        let exit = end.status.map(exit_of_shell);
        let is_plain = matches!(exit, Some(Exit::Code(_))) && !end.cancelled;
        let report = match exit {
            Some(exit) if by_us || is_plain => JobReport { exit, end: None, why_lost: None },
            exit => asked(&executor, &followed, exit, by_us).await,
        };
        reported.send_replace(Some(report));
    });
    receiver
}

/// Asks Slurm why a job or a step ended.
async fn asked(executor: &SlurmExecutor, followed: &Followed, known: Option<Exit>, by_us: bool) -> JobReport {
    let job = followed.job.as_str();
    let until = Instant::now() + ASK_BOUND;
    let mut pause = FIRST_PAUSE;
    let mut looks = 0;
    let why_lost = loop {
        let why = match executor.capture(&["scontrol", "show", "job", "-o", job]).await {
            Ok(told) if told.succeeded => match (job_state(&told.stdout, job), &followed.step) {
                (Some(JobState::Cut(end)), _) => {
                    let exit = known.unwrap_or(Exit::Signal(9));
                    return JobReport { exit, end: (!by_us).then_some(end), why_lost: None };
                }
                (Some(JobState::Ended(exit)), None) if by_us || known.is_some() || exit != Exit::Code(0) => {
                    return JobReport { exit: known.unwrap_or(exit), end: None, why_lost: None };
                }
                (Some(JobState::Running), Some(step)) if has_ended(executor, job, step).await => {
                    match known.or(by_us.then_some(Exit::Signal(9))) {
                        Some(exit) if by_us || looks > 0 => return JobReport { exit, end: None, why_lost: None },
                        Some(_) => {
                            looks += 1;
                            pause = SECOND_LOOK;
                            format!("job {job} is still being ended")
                        }
                        None => format!("job {job} goes on, and its process did not report how it ended"),
                    }
                }
                (Some(JobState::Ended(_)), _) => {
                    break format!("job {job} has ended, and its process did not report how");
                }
                (Some(JobState::Alive | JobState::Running), _) => format!("job {job} is still being ended"),
                (None, _) => break format!("Slurm's word about job {job} was not understood"),
            },
            Ok(told) if told.stderr.contains("Invalid job id") => {
                break format!("Slurm does not know job {job} any more");
            }
            Ok(told) => format!("Slurm did not answer about job {job}: {}", told.stderr.trim()),
            Err(error) => format!("Slurm could not be asked about job {job}: {error}"),
        };
        if Instant::now() + pause > until {
            break why;
        }
        sleep(pause).await;
        pause = (pause * 2).min(MAX_PAUSE);
    };
    JobReport { exit: known.unwrap_or(Exit::Lost), end: None, why_lost: Some(why_lost) }
}

/// Whether a step of a job that runs has ended.
async fn has_ended(executor: &SlurmExecutor, job: &str, step: &str) -> bool {
    let told = Box::pin(executor.capture(&["squeue", "-h", "-s", "-j", job, "-o", "%i"])).await;
    let id = format!("{job}.{step}");
    told.is_ok_and(|told| told.succeeded && !told.stdout.lines().any(|line| line.trim() == id))
}
