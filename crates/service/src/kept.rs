//! Lists, loads and stops the processes that this process keeps.

use mer_core::{AccessKind, KeptProcess, Tags};
use mer_meal::{Cancel, Input};
use mer_scheduler::{Outcome, Retention, Selection};

use crate::{
    api::{ResolvedModel, RunRequest, Sender},
    error::ServiceError,
    run::scheduler_request,
    runtime::Runtime,
};

impl Runtime {
    /// The kept processes, and the models that are not started again yet because they failed.
    #[must_use]
    pub fn processes(&self) -> Vec<KeptProcess> {
        self.started_scheduler().map(|scheduler| scheduler.processes()).unwrap_or_default()
    }

    /// Starts a process of a model and keeps it, unless one is kept already. Returns once it is ready, or has failed to be.
    ///
    /// # Errors
    /// The model's process ends with its request, or the start could not be put on record.
    pub async fn load_kept(
        &self,
        model: &ResolvedModel,
        sender: Option<Sender>,
        cancel: Cancel,
    ) -> Result<Outcome, ServiceError> {
        self.wake_drainer(model.view.database_uid);
        let request = RunRequest {
            sender,
            server: None,
            input: Input::Bytes(bytes::Bytes::new()),
            timeout: None,
            hashes: false,
            keep: Retention::ByKeepalive,
            retries: 0,
            retry_failed: false,
            priority: 0,
            batch_uid: None,
            tags: Tags::default(),
            cancel,
            watch: None,
            progress: None,
            attempts: None,
        };
        let scheduler = self.scheduler(model.view.database_uid);
        Ok(scheduler.load(scheduler_request(model, request, AccessKind::Load)).await?)
    }

    /// Ends kept processes: idle ones and those that start at once, others after their request, or at once too if `now`.
    /// Returns them as they were before, once they are gone.
    pub async fn stop_kept(&self, selection: &Selection, now: bool) -> Vec<KeptProcess> {
        match self.started_scheduler() {
            Some(scheduler) => scheduler.stop_processes(selection, now).await,
            None => Vec::new(),
        }
    }

    /// Whether processes are kept, of this model or of any.
    #[must_use]
    pub fn keeps(&self, model: Option<&str>) -> bool {
        self.started_scheduler().is_some_and(|scheduler| scheduler.keeps(model))
    }

    /// Reads the registry anew, and ends the processes of models and servers that were changed or removed: idle ones at once,
    /// others after their request.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn retire_changed(&self) -> Result<(), ServiceError> {
        self.registry_changed();
        if let Some(scheduler) = self.started_scheduler() {
            let view = self.view().await?;
            scheduler.registry_changed(&view.models, &view.servers);
        }
        Ok(())
    }
}
