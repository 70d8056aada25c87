//! A training: a run of the train command, and what it wrote.

use std::path::{Path, PathBuf};

use mer_core::{Access, FailureKind, Kind, Status};
use mer_meal::{Cancel, CancelLevel};

use crate::{
    Delivery, Outcome, Output, Request, Scheduler, SchedulerError, handover,
    outcome::Verdict,
    scheduler::{Attempted, now},
    training_output::Out,
};

/// What came of a training.
#[derive(Debug)]
pub enum Training {
    /// It is over and on record, and made nothing.
    Over(Box<Outcome>),
    /// Its process has ended well.
    Trained(Box<Trained>),
}

/// A training whose process has ended well. Its end is not on record: that, and what it wrote, are to be kept in one step,
/// and [`Scheduler::conclude`] is to be told.
#[derive(Debug)]
pub struct Trained {
    access: Access,
    file: PathBuf,
}

/// Why what a training wrote was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unkept {
    /// How the training is judged therefore.
    pub status: Status,
    /// The kind of the failure.
    pub kind: FailureKind,
    /// A sentence.
    pub error: String,
}

impl Trained {
    /// Its end as it is to be on record, but for the version that it made.
    #[must_use]
    pub const fn access(&self) -> &Access {
        &self.access
    }

    /// What it wrote, in the folder that was given for it; its ending is the one that the model chose.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }
}

impl Scheduler {
    /// Runs the train command of a model, with the input on its stdin and a path in `MER_WEIGHTS_OUT`. `scratch` is an empty
    /// folder of this machine. What is written on another machine is fetched into it.
    ///
    /// # Errors
    /// As [`Scheduler::run`].
    pub async fn train(
        &self,
        request: Request<'_>,
        scratch: &Path,
        output: Output,
        delivery: Delivery,
    ) -> Result<Training, SchedulerError> {
        let cancel = request.cancel.clone();
        let request = Request { kind: Kind::Train, ..request };
        let (mut access, verdict, out, deadline) = match self.attempts(request, scratch, output).await? {
            Attempted::Over(outcome) => return Ok(Training::Over(Box::new(outcome))),
            Attempted::Served { access, verdict, out, deadline } => (access, verdict, out, deadline),
        };
        let verdict = handover::settle(delivery, &mut access, verdict, deadline, &cancel).await;
        let Some(out) = out else {
            return Ok(Training::Over(Box::new(self.record_end(access, verdict).await)));
        };
        if verdict.status != Status::Succeeded {
            out.clear(verdict.status).await;
            return Ok(Training::Over(Box::new(self.record_end(access, verdict).await)));
        }
        let found = found(&access, &out, &cancel).await;
        Ok(match found {
            Ok(file) => {
                verdict.write_to(&mut access);
                access.stop_access = Some(now());
                Training::Trained(Box::new(Trained { access, file }))
            }
            Err(verdict) => Training::Over(Box::new(self.record_end(access, verdict).await)),
        })
    }

    /// Puts the end of a training on record: number and hash of the version that was made, or why there is none.
    pub async fn conclude(&self, trained: Trained, made: Result<(u64, String), Unkept>) -> Outcome {
        let mut access = trained.access;
        match made {
            Ok((version, sha256)) => {
                (access.weights_version, access.weights_sha256) = (Some(version), Some(sha256));
                // Where this is not heard, the record in the database stands above it.
                self.record_end(access, Verdict::succeeded()).await
            }
            Err(Unkept { status, kind, error }) => self.record_end(access, Verdict::new(status, kind, error)).await,
        }
    }
}

/// The file, here. What could not be fetched stays where it is, for whoever wants it.
async fn found(access: &Access, out: &Out, cancel: &Cancel) -> Result<PathBuf, Verdict> {
    let found = tokio::select! {
        biased;
        found = out.fetch(cancel) => found,
        () = cancel.reached(CancelLevel::Cancel) => {
            out.clear(Status::Cancelled).await;
            return Err(Verdict::cancelled_before());
        }
    };
    if found.is_ok() {
        out.clear(Status::Succeeded).await;
    }
    match found {
        Ok(Some(file)) => Ok(file),
        // A train command promises to write weights.
        Ok(None) => {
            let why = "the training ended well, and wrote nothing to the path in `MER_WEIGHTS_OUT`";
            Err(Verdict::new(Status::Failed, FailureKind::Protocol, why))
        }
        Err(error) => Err(error.verdict(access, &out.path().to_string_lossy())),
    }
}
