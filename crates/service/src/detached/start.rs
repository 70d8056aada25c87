//! Starts runs that outlive their caller.

use mer_core::{AccessKind, DetachedTraining};
use mer_scheduler::{DetachOptions, Detached, Retention};

use crate::{
    api::{ResolvedModel, RunRequest},
    error::ServiceError,
    run::scheduler_request,
    runtime::Runtime,
    train::TrainOptions,
};

impl Runtime {
    /// Starts a run, or with `training` a training, that goes on when this process ends. Returns once it is in the hands of its
    /// supervisor.
    ///
    /// # Errors
    /// It could not be attempted or put on record.
    pub async fn detach(
        &self,
        model: &ResolvedModel,
        request: RunRequest<'_>,
        training: Option<TrainOptions>,
    ) -> Result<Detached, ServiceError> {
        let uid = model.view.database_uid;
        self.wake_drainer(uid);
        let kind = if training.is_some() { AccessKind::Train } else { AccessKind::Infer };
        let request = scheduler_request(model, RunRequest { keep: Retention::No, ..request }, kind);
        let parent = model.weights.as_ref().map(|weights| weights.version);
        self.mark_detached();
        let training = training.map(|TrainOptions { promote, note }| DetachedTraining { promote, note, parent });
        Ok(self.scheduler(uid).detach(request, &DetachOptions { training }).await?)
    }
}
