//! Starts a process as a job, or as a step of a job that others of its batch have had before.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use mer_core::RunSpec;

use super::{
    JobRequest, SlurmControl, SlurmError, StartedJob,
    allocations::AllocationLease,
    begin::Begun,
    executor::{SlurmExecutor, leave_job},
    give_back::GiveBack,
    job_pool::JobPool,
    report::{self, Followed},
    scripts,
};
use crate::{Control, Run, StartError, local::Holder, ssh::nonce};

/// How often another job is taken for a process because the one before ended before the process began.
const MOST_JOBS: u32 = 3;

impl SlurmExecutor {
    /// Starts a process as a job, or in a job of a pool, and returns once it has begun.
    pub(crate) async fn start(
        &self,
        spec: &RunSpec,
        job: &JobRequest,
        holder: Option<&Holder>,
    ) -> Result<Run, StartError> {
        if spec.argv.first().is_none_or(String::is_empty) {
            return Err(StartError::NoCommand);
        }
        if let Some(pool) = &job.pool {
            return Box::pin(self.start_step(spec, job, pool, holder)).await;
        }
        let called_at = Instant::now();
        let word = nonce();
        let options = self.config().params.options();
        let call = srun(spec, job, scripts::guarded(&job.name), options, &word);
        let begun = self.begin(&call, &word, job.queue_timeout, None, holder).await?;
        check(self, spec, &begun.answer)?;
        let started_in = begun.front_started_in;
        let queued = called_at.elapsed().saturating_sub(started_in);
        Ok(self.running(begun, None, queued, started_in))
    }

    /// Starts a process as a step of a job of the pool.
    async fn start_step(
        &self,
        spec: &RunSpec,
        job: &JobRequest,
        pool: &JobPool,
        holder: Option<&Holder>,
    ) -> Result<Run, StartError> {
        let called_at = Instant::now();
        let allocations = pool.on(&self.config().server);
        let mut tries = 0;
        loop {
            tries += 1;
            let lease = allocations.take(self, || pool.next_name(), job.queue_timeout).await?;
            let (queued, began) = (called_at.elapsed(), Instant::now());
            let (id, name) = lease.job();
            let word = nonce();
            let mut options = vec![format!("--jobid={id}"), "--overlap".to_owned()];
            options.extend(self.config().params.step_options());
            let call = srun(spec, job, scripts::guarded_step(name), options, &word);
            match self.begin(&call, &word, job.queue_timeout, Some(id), holder).await {
                Ok(begun) => {
                    if let Err(error) = check(self, spec, &begun.answer) {
                        lease.give_back();
                        return Err(error);
                    }
                    return Ok(self.running(begun, Some(lease), queued, began.elapsed()));
                }
                Err(StartError::Slurm(SlurmError::Cancelled { words } | SlurmError::Ended { words })) => {
                    if tries >= MOST_JOBS {
                        return Err(SlurmError::Ended { words }.into());
                    }
                }
                Err(error) => {
                    if matches!(error, StartError::Slurm(SlurmError::Unreachable { .. })) {
                        lease.give_back();
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Returns the process that has begun.
    fn running(&self, begun: Begun, lease: Option<AllocationLease>, queued: Duration, started_in: Duration) -> Run {
        let Begun { job, step, stdin, stdout, stderr, relay, front, .. } = begun;
        let signalled = Arc::default();
        let followed = Followed { job: job.clone(), step: step.filter(|_| lease.is_some()) };
        let report = report::follow(self.clone(), followed, relay, Arc::clone(&signalled));
        let give_back = lease.map(|lease| GiveBack::new(move || lease.give_back()));
        let control = Control::slurm(SlurmControl::new(front, report, signalled, give_back));
        let job = Some(StartedJob { id: job, queued });
        Run { stdin, stdout, stderr, control, started_in, started_at: Instant::now(), job }
    }

    /// Returns the words that hand a job to the queue, with what is asked for it.
    pub(crate) fn submission(&self) -> Vec<String> {
        let own = ["sbatch", "--ntasks=1", "--nodes=1", "--chdir=/"].map(str::to_owned);
        own.into_iter().chain(self.config().params.options()).collect()
    }
}

/// Returns the call of `srun` that runs the command of `spec`.
fn srun(spec: &RunSpec, job: &JobRequest, guarded: [String; 5], options: Vec<String>, word: &str) -> RunSpec {
    let folder = spec.cwd.as_ref().map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default();
    let own = ["--ntasks=1", "--nodes=1", "--unbuffered", "--export=ALL"].map(str::to_owned);
    let argv = guarded
        .into_iter()
        .chain(["srun".to_owned(), format!("--job-name={}", job.name)])
        .chain(own)
        .chain(options)
        .chain(scripts::in_job(word, &folder))
        .chain(spec.argv.iter().cloned())
        .collect();
    let mut env = spec.env.clone();
    leave_job(&mut env);
    RunSpec { argv, cwd: None, env, ..spec.clone() }
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
