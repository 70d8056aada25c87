//! One training.

use mer_core::AccessKind;
use mer_scheduler::{Output, OutputConfirmation, Retention};

use super::scratch::Scratch;
use crate::{
    api::{ResolvedModel, RunRequest},
    error::ServiceError,
    run::scheduler_request,
    runtime::Runtime,
};

/// What becomes of the version that a training makes.
#[derive(Debug, Clone, Default)]
pub struct TrainOptions {
    /// Whether it becomes the current one. A model that is registered so promotes it anyway.
    pub promote: bool,
    /// Its note.
    pub note: Option<String>,
}

/// One training: its folder exists until this is dropped.
#[derive(Debug)]
pub struct Training<'a> {
    pub(super) runtime: &'a Runtime,
    pub(super) model: &'a ResolvedModel,
    pub(super) options: TrainOptions,
    pub(super) scratch: Scratch,
}

impl<'a> Training<'a> {
    /// Makes the folder. The version that is made goes on from the weights of `model`.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(runtime: &'a Runtime, model: &'a ResolvedModel, options: TrainOptions) -> Result<Self, ServiceError> {
        let scratch = Scratch::new(&runtime.settings().training_dir)?;
        Ok(Self { runtime, model, options, scratch })
    }

    /// Runs the train command. Where it has ended well, [`Training::make_version`] or [`Training::reject`] puts its end on record.
    ///
    /// # Errors
    /// The training could not be attempted, or not be put on record.
    pub async fn run(
        &self,
        request: RunRequest<'_>,
        output: Output,
        confirmation: OutputConfirmation,
    ) -> Result<mer_scheduler::Training, ServiceError> {
        let uid = self.model.view.database_uid;
        self.runtime.wake_drainer(uid);
        let request = scheduler_request(self.model, RunRequest { keep: Retention::No, ..request }, AccessKind::Train);
        Ok(self.runtime.scheduler(uid).train(request, self.scratch.path(), output, confirmation).await?)
    }
}
