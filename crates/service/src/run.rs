//! Runs models with the scheduler of this process.

use mer_core::{AccessKind, Selector};
use mer_meal::Cancel;
use mer_scheduler::{
    DeliveryObserver, ModelPingReport, Outcome, Output, OutputConfirmation, PartFeed, PartOutcome, Request, Weights,
};
use uuid::Uuid;

use crate::{
    api::{ModelHost, ResolvedModel, RunRequest, Sender, WarmModel},
    error::ServiceError,
    runtime::Runtime,
    weights,
};

impl ModelHost for Runtime {
    async fn resolve(&self, selector: &Selector) -> Result<ResolvedModel, ServiceError> {
        let view = self.watched_view_of(&selector.model).await?;
        view.model(&selector.model)?;
        let weights = weights::resolve(self, &view, selector).await?;
        ResolvedModel::new(view, &selector.model, weights)
    }

    async fn run(
        &self,
        model: &ResolvedModel,
        request: RunRequest<'_>,
        output: Output,
        confirmation: OutputConfirmation,
    ) -> Result<Outcome, ServiceError> {
        self.wake_drainer(model.view.database_uid);
        let scheduler = self.scheduler(model.view.database_uid);
        Ok(scheduler.run(scheduler_request(model, request, AccessKind::Infer), output, confirmation).await?)
    }

    async fn load(
        &self,
        model: &ResolvedModel,
        progress: Option<DeliveryObserver>,
        cancel: &Cancel,
    ) -> Result<Vec<ModelPingReport>, ServiceError> {
        self.wake_drainer(model.view.database_uid);
        let weights = model.weights.clone().map(|version| Weights { version, progress });
        let scheduler = self.scheduler(model.view.database_uid);
        Ok(scheduler.ping(model.model(), &model.view.servers, weights.as_ref(), cancel).await?)
    }

    async fn stop(&self) {
        if let Some(scheduler) = self.started_scheduler() {
            scheduler.stop().await;
        }
    }

    async fn list(&self) -> Vec<WarmModel> {
        let warm = self.started_scheduler().map(|scheduler| scheduler.warm()).unwrap_or_default();
        warm.into_iter().map(|(model, server)| WarmModel { model, server }).collect()
    }
}

impl Runtime {
    /// Runs a part of a batch for another process, which has made attempts of it before. The input of the request is not used.
    ///
    /// # Errors
    /// As [`ModelHost::run`].
    pub async fn run_part(
        &self,
        model: &ResolvedModel,
        request: RunRequest<'_>,
        attempts_made: u32,
        feed: PartFeed<'_>,
    ) -> Result<PartOutcome, ServiceError> {
        self.wake_drainer(model.view.database_uid);
        let scheduler = self.scheduler(model.view.database_uid);
        let request = Request { attempts_made, ..scheduler_request(model, request, AccessKind::Infer) };
        Ok(scheduler.run_part(request, feed).await?)
    }

    /// As [`ModelHost::run`], for a request of which another process has made attempts before it ended.
    ///
    /// # Errors
    /// As [`ModelHost::run`].
    pub async fn run_again(
        &self,
        model: &ResolvedModel,
        request: RunRequest<'_>,
        (request_uid, attempts_made): (Uuid, u32),
        output: Output,
        confirmation: OutputConfirmation,
    ) -> Result<Outcome, ServiceError> {
        self.wake_drainer(model.view.database_uid);
        let scheduler = self.scheduler(model.view.database_uid);
        let request = scheduler_request(model, request, AccessKind::Infer);
        let request = Request { uid: request_uid, attempts_made, ..request };
        Ok(scheduler.run(request, output, confirmation).await?)
    }
}

/// The request as the scheduler takes it.
pub(crate) fn scheduler_request<'a>(
    model: &'a ResolvedModel,
    request: RunRequest<'a>,
    kind: AccessKind,
) -> Request<'a> {
    let RunRequest {
        sender,
        server,
        input,
        timeout,
        hashes,
        keep,
        retries,
        retry_failed,
        priority,
        batch_uid,
        tags,
        cancel,
        watch,
        progress,
        attempts,
    } = request;
    let (uid, requester, via) = match sender {
        None => (Uuid::now_v7(), None, None),
        Some(Sender { request_uid, requester, via }) => (request_uid, Some(requester), Some(via)),
    };
    Request {
        uid,
        requester,
        model: model.model(),
        servers: &model.view.servers,
        pinned: server,
        kind,
        weights: model.weights.clone().map(|version| Weights { version, progress }),
        input,
        timeout,
        hashes,
        keep,
        attempts_made: 0,
        retries,
        retry_failed,
        priority,
        batch_uid,
        tags: tags.0,
        via,
        cancel,
        watch,
        attempts,
        jobs: None,
    }
}
