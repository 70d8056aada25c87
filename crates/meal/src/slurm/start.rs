//! Starts a process as a job: `srun` is called, the job waits in the queue, and its script says that the process begins.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use mer_core::RunSpec;
use tokio::time::timeout;

use super::{
    JobRequest, SlurmControl, SlurmError, StartedJob,
    executor::{SlurmExecutor, leave_job},
    refusal::{queued_job, refusal},
    report, scripts,
    words::SRUN_WORDS,
};
use crate::{Control, Run, StartError, local::Holder, ssh::nonce, stderr_relay::StderrRelay};

/// How long the rest of Slurm's words is waited for.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl SlurmExecutor {
    /// Starts a process as a job, and returns once that has begun.
    pub(crate) async fn start(
        &self,
        spec: &RunSpec,
        job: &JobRequest,
        holder: Option<&Holder>,
    ) -> Result<Run, StartError> {
        if spec.argv.first().is_none_or(String::is_empty) {
            return Err(StartError::NoCommand);
        }
        let called_at = Instant::now();
        let word = nonce();
        let run = self.start_beside(&srun(self, spec, job, &word), holder).await?;
        let Run { stdin, stdout, stderr, control, started_in, .. } = run;
        let (stderr, relay) = StderrRelay::spawn(stderr, &word, SRUN_WORDS)
            .map_err(|source| StartError::Spawn { path: "srun".into(), source })?;
        let greeting = stdout.first(scripts::GREETING_BYTES);
        let greeting = match job.queue_timeout.duration() {
            Some(bound) => timeout(bound, greeting).await.ok(),
            None => Some(greeting.await),
        };
        let Some(greeting) = greeting else {
            return Err(queue_timeout(self, job, &relay.preamble(), control).await.into());
        };
        let greeting = greeting.unwrap_or_default();
        let Some((answer, id)) = parse(&greeting) else {
            let _ = timeout(LAST_WORDS, relay.ended()).await;
            return Err(refused(self, &relay.preamble()).await.into());
        };
        check(self, spec, answer)?;
        let signalled = Arc::default();
        let report = report::follow(self.clone(), id.to_owned(), relay, Arc::clone(&signalled));
        let queued = called_at.elapsed().saturating_sub(started_in);
        // The machine itself starts no jobs.
        let Some(front) = control.into_machine() else { return Err(StartError::NoCommand) };
        let control = Control::slurm(SlurmControl::new(front, report, signalled));
        let job = Some(StartedJob { id: id.to_owned(), queued });
        Ok(Run { stdin, stdout, stderr, control, started_in, started_at: Instant::now(), job })
    }
}

/// Returns the call of `srun` that runs the command of `spec` in its job.
fn srun(executor: &SlurmExecutor, spec: &RunSpec, job: &JobRequest, word: &str) -> RunSpec {
    let folder = spec.cwd.as_ref().map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default();
    let own = ["--ntasks=1", "--nodes=1", "--unbuffered", "--export=ALL"].map(str::to_owned);
    let argv = scripts::guarded(&job.name)
        .into_iter()
        .chain(["srun".to_owned(), format!("--job-name={}", job.name)])
        .chain(own)
        .chain(executor.config().params.options())
        .chain(scripts::in_job(word, &folder))
        .chain(spec.argv.iter().cloned())
        .collect();
    let mut env = spec.env.clone();
    leave_job(&mut env);
    RunSpec { argv, cwd: None, env, ..spec.clone() }
}

/// Returns the answer and the number of the job.
fn parse(greeting: &[u8]) -> Option<(&str, &str)> {
    if greeting.len() < scripts::GREETING_BYTES {
        return None;
    }
    let (answer, id) = std::str::from_utf8(greeting).ok()?.split_once(' ')?;
    let id = id.trim();
    (answer.starts_with('=') && !id.is_empty()).then_some((answer, id))
}

/// Evaluates the answer of the script in the job.
fn check(executor: &SlurmExecutor, spec: &RunSpec, answer: &str) -> Result<(), StartError> {
    let command = spec.argv.first().cloned().unwrap_or_default();
    let server = &executor.config().server;
    match answer {
        "=ok" => Ok(()),
        "=nf" => {
            let searched = if command.contains('/') { "the files" } else { "the PATH" };
            Err(StartError::NotFound { command, searched: format!("{searched} of a node of `{server}`") })
        }
        "=nx" => Err(StartError::NotExecutable { path: PathBuf::from(command) }),
        "=cd" => {
            let source =
                std::io::Error::new(std::io::ErrorKind::NotADirectory, format!("`cd` failed on a node of `{server}`"));
            Err(StartError::BadWorkingDirectory { path: spec.cwd.clone().unwrap_or_default(), source })
        }
        other => Err(SlurmError::Refused { words: format!("its job answered `{}`", other.escape_debug()) }.into()),
    }
}

impl SlurmExecutor {
    /// Returns why Slurm took no job, by what its command wrote to stderr.
    pub(crate) async fn refusal(&self, stderr: &str) -> SlurmError {
        refused(self, stderr).await
    }

    /// Returns the words that hand a job to the queue, with what is asked for it.
    pub(crate) fn submission(&self) -> Vec<String> {
        let own = ["sbatch", "--ntasks=1", "--nodes=1", "--chdir=/"].map(str::to_owned);
        own.into_iter().chain(self.config().params.options()).collect()
    }
}

/// Returns why no job began, with the partitions that exist if there is no such partition.
async fn refused(executor: &SlurmExecutor, preamble: &str) -> SlurmError {
    let command = if preamble.contains("mer: no sbatch") { "sbatch" } else { "srun" };
    let error = refusal(preamble, command, executor.config().params.partition.as_deref());
    match error {
        SlurmError::NoPartition { partition, .. } => {
            SlurmError::NoPartition { partition, known: executor.partitions().await }
        }
        other => other,
    }
}

/// Ends the job, and returns the error that names it and why it waited.
async fn queue_timeout(executor: &SlurmExecutor, job: &JobRequest, preamble: &str, control: Control) -> SlurmError {
    let mut reason = None;
    let id = queued_job(preamble);
    if let Some(id) = id
        && let Ok(told) = Box::pin(executor.capture(&["squeue", "-h", "-j", id, "-o", "%r"])).await
    {
        reason = told.stdout.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty());
    }
    drop(control);
    let job_name = id.map_or_else(|| "the job".to_owned(), |id| format!("job {id}"));
    SlurmError::QueueTimeout { job: job_name, after: job.queue_timeout, reason }
}
