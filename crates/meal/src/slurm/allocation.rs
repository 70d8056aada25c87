//! A job without a process of its own, in which processes run one after the other as steps.

use std::{sync::Arc, time::Duration};

use mer_core::Bound;
use tokio::time::timeout;

use super::{executor::SlurmExecutor, scripts};
use crate::{
    Pipe, StartError, StdinPipe, captured::short_command, machine_control::MachineControl, ssh::nonce,
    stderr_relay::StderrRelay,
};

/// How long `salloc` may take to give the job back. It is cancelled after that.
const END_BOUND: Duration = Duration::from_secs(10);

/// A job that has begun. Dropping it cancels the job.
#[derive(Debug)]
pub(super) struct Allocation {
    /// Number of the job.
    pub(super) id: String,
    /// Name of the job.
    pub(super) name: String,
    /// Its end of file ends the command of `salloc`, and with it the job.
    stdin: StdinPipe,
    /// Held open, because `salloc` may write until the job ends.
    _output: (Pipe, Pipe, Arc<StderrRelay>),
    /// Controls the script that called `salloc`. That ends if the job does.
    front: MachineControl,
}

impl Allocation {
    /// Asks for a job with this name, and waits in the queue until it has begun.
    pub(super) async fn request(executor: &SlurmExecutor, name: String, bound: Bound) -> Result<Self, StartError> {
        let word = nonce();
        let own = ["--ntasks=1", "--nodes=1", "--kill-command=TERM"].map(str::to_owned);
        let words = scripts::guarded_allocation(&name)
            .into_iter()
            .chain(["salloc".to_owned(), format!("--job-name={name}")])
            .chain(own)
            .chain(executor.config().params.options())
            .chain(scripts::holding_job());
        let call = short_command(words.collect());
        let begun = executor.begin(&call, &word, bound, None, None).await?;
        let _output = (begun.stdout, begun.stderr, begun.relay);
        Ok(Self { id: begun.job, name, stdin: begun.stdin, _output, front: begun.front })
    }

    /// Whether the job has ended, as far as `salloc` was told.
    pub(super) fn has_ended(&self) -> bool {
        self.front.has_ended()
    }

    /// Gives the job back.
    pub(super) async fn end(self) {
        let Self { stdin, _output, mut front, .. } = self;
        drop(stdin);
        let _ = timeout(END_BOUND, front.ended()).await;
        front.finish();
    }
}
