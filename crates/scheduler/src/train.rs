//! Runs the train command of a model, and hands over what it wrote.

use std::path::{Path, PathBuf};

use mer_core::{Access, AccessKind, FailureKind, Status};
use mer_meal::{Cancel, CancelLevel};

use crate::{
    Outcome, Output, OutputConfirmation, Request, Scheduler, SchedulerError, attempts::Attempted, outcome::Verdict,
    output_forwarding::confirm_output, record::now, training_output::TrainingOutput,
};

/// Result of a training.
#[derive(Debug)]
pub enum Training {
    /// It failed, and its end is recorded.
    Over(Box<Outcome>),
    /// Its process has succeeded.
    Trained(Box<Trained>),
}

/// A training whose process has succeeded. Its end is not recorded yet: the caller stores what it wrote together with
/// [`Trained::access`] in one transaction, and then calls [`Scheduler::conclude`].
#[derive(Debug)]
pub struct Trained {
    access: Access,
    file: PathBuf,
}

/// Why the weights that a training wrote were not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainingFailure {
    /// Status of the training.
    pub status: Status,
    /// Kind of the failure.
    pub kind: FailureKind,
    /// Sentence for the user.
    pub error: String,
}

impl Trained {
    /// Returns its access with the end, but without the version that it made.
    #[must_use]
    pub const fn access(&self) -> &Access {
        &self.access
    }

    /// Returns the file that it wrote, in the `scratch` folder. Its extension is the one that the model chose.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }
}

impl Scheduler {
    /// Runs the train command of a model, with the input on its stdin and a path in `MER_WEIGHTS_OUT`. `scratch` is an empty
    /// folder of this machine; weights that are written on another machine are fetched into it.
    ///
    /// # Errors
    /// As [`Scheduler::run`].
    pub async fn train(
        &self,
        request: Request<'_>,
        scratch: &Path,
        output: Output,
        confirmation: OutputConfirmation,
    ) -> Result<Training, SchedulerError> {
        let cancel = request.cancel.clone();
        let request = Request { kind: AccessKind::Train, ..request };
        let (mut access, verdict, training_output, deadline) = match self.attempt(request, scratch, output).await? {
            Attempted::Over(outcome) => return Ok(Training::Over(Box::new(outcome))),
            Attempted::Served { access, verdict, training_output, deadline } => {
                (access, verdict, training_output, deadline)
            }
        };
        let verdict = confirm_output(confirmation, &mut access, verdict, deadline, &cancel).await;
        let Some(training_output) = training_output else {
            return Ok(Training::Over(Box::new(self.recorder.record_end(access, verdict).await)));
        };
        if verdict.status != Status::Succeeded {
            training_output.clear(verdict.status).await;
            return Ok(Training::Over(Box::new(self.recorder.record_end(access, verdict).await)));
        }
        Ok(match fetch(&access, &training_output, &cancel).await {
            Ok(file) => {
                verdict.write_to(&mut access);
                access.stop_access = Some(now());
                Training::Trained(Box::new(Trained { access, file }))
            }
            Err(verdict) => Training::Over(Box::new(self.recorder.record_end(access, verdict).await)),
        })
    }

    /// Records the end of a training: number and sha256 of the version that was stored, or why there is none.
    pub async fn conclude(&self, trained: Trained, stored: Result<(u64, String), TrainingFailure>) -> Outcome {
        let mut access = trained.access;
        match stored {
            Ok((version, sha256)) => {
                (access.weights_version, access.weights_sha256) = (Some(version), Some(sha256));
                // If this cannot be written, the record that was stored with the version still holds.
                self.recorder.record_end(access, Verdict::succeeded()).await
            }
            Err(TrainingFailure { status, kind, error }) => {
                self.recorder.record_end(access, Verdict::new(status, kind, error)).await
            }
        }
    }
}

/// Returns the file on this machine. If it cannot be fetched, it stays on the other one.
async fn fetch(access: &Access, output: &TrainingOutput, cancel: &Cancel) -> Result<PathBuf, Verdict> {
    let fetched = tokio::select! {
        biased;
        fetched = output.fetch(cancel) => fetched,
        () = cancel.reached(CancelLevel::Cancel) => {
            output.clear(Status::Cancelled).await;
            return Err(Verdict::cancelled_before());
        }
    };
    if fetched.is_ok() {
        output.clear(Status::Succeeded).await;
    }
    match fetched {
        Ok(Some(file)) => Ok(file),
        Ok(None) => {
            let why = "the training succeeded, but wrote nothing to the path in `MER_WEIGHTS_OUT`";
            Err(Verdict::new(Status::Failed, FailureKind::Protocol, why))
        }
        Err(error) => Err(error.verdict(access, &output.path().to_string_lossy())),
    }
}
