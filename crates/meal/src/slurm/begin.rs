//! Calls `srun` or `salloc`, and waits for the first line of the script in the job.

use std::sync::Arc;

use mer_core::{Bound, RunSpec};
use tokio::time::{Duration, timeout};

use super::{
    SlurmError,
    executor::SlurmExecutor,
    refusal::{queued_job, refusal},
    scripts::GREETING_BYTES,
    words::SRUN_WORDS,
};
use crate::{
    Control, Pipe, Run, StartError, StdinPipe, local::Holder, machine_control::MachineControl,
    stderr_relay::StderrRelay,
};

/// How long the rest of Slurm's words is waited for.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A script in a job that has begun.
#[derive(Debug)]
pub(super) struct Begun {
    /// What the script says of its process: `=ok`, or why that does not begin.
    pub(super) answer: String,
    /// Number of the job.
    pub(super) job: String,
    /// Number of the step in the job, if it is in one.
    pub(super) step: Option<String>,
    pub(super) stdin: StdinPipe,
    pub(super) stdout: Pipe,
    pub(super) stderr: Pipe,
    pub(super) relay: Arc<StderrRelay>,
    /// Controls the script that called Slurm's command.
    pub(super) front: MachineControl,
    /// How long the start of that script took.
    pub(super) front_started_in: Duration,
}

impl SlurmExecutor {
    /// Calls a command of Slurm, and returns once the script in the job has begun. `word` is that of the marks. `job` is the job that the
    /// command is to use, if it asks for none of its own.
    pub(super) async fn begin(
        &self,
        call: &RunSpec,
        word: &str,
        bound: Bound,
        job: Option<&str>,
        holder: Option<&Holder>,
    ) -> Result<Begun, StartError> {
        let run = self.start_beside(call, holder).await?;
        let Run { stdin, stdout, stderr, control, started_in, .. } = run;
        let (stderr, relay) = StderrRelay::spawn(stderr, word, SRUN_WORDS)
            .map_err(|source| StartError::Spawn { path: "srun".into(), source })?;
        let greeting = stdout.first(GREETING_BYTES);
        let greeting = match bound.duration() {
            Some(bound) => timeout(bound, greeting).await.ok(),
            None => Some(greeting.await),
        };
        let Some(greeting) = greeting else {
            return Err(self.queue_timeout(bound, job, &relay.preamble(), control).await.into());
        };
        let greeting = greeting.unwrap_or_default();
        let Some((answer, job, step)) = parse(&greeting) else {
            let _ = timeout(LAST_WORDS, relay.ended()).await;
            return Err(self.refusal(&relay.preamble()).await.into());
        };
        // The machine itself starts no jobs.
        let Some(front) = control.into_machine() else { return Err(StartError::NoCommand) };
        let (answer, job, step) = (answer.to_owned(), job.to_owned(), step.map(str::to_owned));
        Ok(Begun { answer, job, step, stdin, stdout, stderr, relay, front, front_started_in: started_in })
    }

    /// Returns why Slurm took no job, by what its command wrote to stderr, with the partitions that exist if there is no such
    /// partition.
    pub(crate) async fn refusal(&self, stderr: &str) -> SlurmError {
        let missing = |name: &&&str| stderr.contains(&format!("mer: no {name}"));
        let command = ["sbatch", "salloc"].iter().find(missing).unwrap_or(&"srun");
        match refusal(stderr, command, self.config().params.partition.as_deref()) {
            SlurmError::NoPartition { partition, .. } => {
                SlurmError::NoPartition { partition, known: self.partitions().await }
            }
            other => other,
        }
    }

    /// Ends what waits, and returns the error that names the job and why it waited.
    async fn queue_timeout(&self, after: Bound, job: Option<&str>, preamble: &str, control: Control) -> SlurmError {
        let mut reason = None;
        let id = queued_job(preamble);
        if let Some(id) = id
            && let Ok(told) = Box::pin(self.capture(&["squeue", "-h", "-j", id, "-o", "%r"])).await
        {
            reason = told.stdout.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty());
        }
        drop(control);
        let job = match (job, id) {
            (Some(job), _) => format!("a step of job {job}"),
            (None, Some(id)) => format!("job {id}"),
            (None, None) => "the job".to_owned(),
        };
        SlurmError::QueueTimeout { job, after, reason }
    }
}

/// Returns the answer, the number of the job, and that of the step.
fn parse(greeting: &[u8]) -> Option<(&str, &str, Option<&str>)> {
    if greeting.len() < GREETING_BYTES {
        return None;
    }
    let (answer, id) = std::str::from_utf8(greeting).ok()?.split_once(' ')?;
    let id = id.trim();
    let (job, step) = id.split_once('.').map_or((id, None), |(job, step)| (job, Some(step)));
    (answer.starts_with('=') && !job.is_empty()).then_some((answer, job, step))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_first_line_has_the_answer_the_job_and_its_step() {
        assert_eq!(parse(b"=ok 12.3                \n"), Some(("=ok", "12", Some("3"))));
        assert_eq!(parse(b"=nf 12                  \n"), Some(("=nf", "12", None)));
        assert_eq!(parse(b"=ok                     \n"), None);
        assert_eq!(parse(b"=ok 12"), None);
        assert_eq!(parse(b"a job says something els\n"), None);
    }
}
