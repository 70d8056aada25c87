//! Runs a batch: gives items to parts, takes their replies, and decides when it is over.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    coordinator::Coordinator,
    error::BatchError,
    options::{Input, Options, Output},
    path_checks::has_ledger,
    prepare::prepare,
    progress::{BatchEnd, Observer, Progress, Summary},
    runner::Runner,
    stop::{Stop, StopLevel},
};

/// A batch: what it is asked to do, its input and its results.
#[derive(Debug)]
pub struct Batch {
    /// What it is asked to do.
    pub options: Options,
    /// Where items come from.
    pub input: Input,
    /// Where results go.
    pub output: Output,
}

impl Batch {
    /// Runs the batch to its end, which may be that of all items, of halting, of `stop`, or of an error that the summary has.
    ///
    /// A batch whose future is dropped can be resumed, as after a kill.
    ///
    /// # Errors
    /// [`BatchError`] if it could not begin. Nothing was run then, and results are unchanged.
    pub async fn run(self, runner: Arc<dyn Runner>, stop: Stop, observer: Observer) -> Result<Summary, BatchError> {
        let begun = Instant::now();
        let Self { options, input, output } = self;
        let is_resumable = has_ledger(&output);
        let preparing = {
            let (options, stop) = (options.clone(), stop.clone());
            tokio::task::spawn_blocking(move || prepare(&options, input, output, || stop.level() == StopLevel::None))
        };
        let prepared = tokio::select! {
            biased;
            prepared = preparing => prepared.map_err(|_| BatchError::TaskLost)??,
            // It waits for an input that does not come, or for the reader of a named pipe.
            () = stop.outlasted(StopLevel::Finish) => {
                runner.close().await;
                let end = BatchEnd::Stopped(stop.level());
                return Ok(Summary { progress: Progress::default(), elapsed: begun.elapsed(), end, is_resumable });
            }
        };
        let coordinator = Coordinator::new(options, prepared, Arc::clone(&runner), stop, observer)?;
        let (progress, end) = coordinator.run().await;
        runner.close().await;
        let elapsed: Duration = begun.elapsed();
        Ok(Summary { progress, elapsed, end, is_resumable })
    }
}
