//! What all parts of a batch have in common.

use std::{fmt, sync::Arc};

use mer_core::{AccessKind, Bound, Tags};
use mer_meal::{Cancel, Input};
use mer_scheduler::{DeliveryObserver, Outcome, Request, Retention, WaitObserver, Weights};
use uuid::Uuid;

use super::host::PartCall;
use crate::api::ResolvedModel;

/// Returns what can be done about a failure, in words of the caller.
pub type OutcomeHint = Arc<dyn Fn(&Outcome) -> Option<String> + Send + Sync>;

/// What all parts of a batch have in common.
#[derive(Clone)]
pub struct BatchRequest {
    /// The model and its weights, the same for the whole batch.
    pub model: ResolvedModel,
    /// The only server that may serve it.
    pub server: Option<String>,
    /// Overrides the timeout of the model, which is that of an item.
    pub timeout: Option<Bound>,
    /// Whether items are lines: a process that ends with its item is sent a newline after it. Protocols of processes that stay up
    /// end items in their own way.
    pub ends_lines: bool,
    /// Whether inputs and outputs are hashed for the log.
    pub hashes: bool,
    /// Place among waiting requests, from -10 to 10.
    pub priority: i8,
    /// Labels for the log of accesses.
    pub tags: Tags,
    /// Maximum number of parts at once.
    pub jobs: Option<usize>,
    /// Observes what parts wait for.
    pub watch: Option<WaitObserver>,
    /// Observes the weights on their way to a server.
    pub progress: Option<DeliveryObserver>,
    /// Returns what can be done about a failure.
    pub hint: Option<OutcomeHint>,
}

impl fmt::Debug for BatchRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchRequest").field("model", &self.model.model().name).finish_non_exhaustive()
    }
}

impl BatchRequest {
    /// Whether a process answers several items one after the other, on every server that may serve it.
    #[must_use]
    pub fn takes_several(&self) -> bool {
        let spec = &self.model.model().spec;
        spec.servers_within(self.server.as_deref()).all(|name| spec.on_server(name).protocol().stays_up())
    }

    /// Returns the request of a part, as the scheduler takes it.
    pub(super) fn scheduler_request<'a>(&'a self, call: &'a PartCall, input: Input) -> Request<'a> {
        let progress = self.progress.clone();
        Request {
            uid: call.request_uid,
            requester: None,
            model: self.model.model(),
            servers: &self.model.view.servers,
            pinned: call.server.as_deref().or(self.server.as_deref()),
            kind: AccessKind::Infer,
            weights: self.model.weights.clone().map(|version| Weights { version, progress }),
            input,
            timeout: self.timeout,
            hashes: self.hashes,
            keep: Retention::WhileHere,
            attempts_made: call.attempt.saturating_sub(1),
            retries: 0,
            retry_failed: false,
            priority: self.priority,
            batch_uid: Some(call.batch_uid),
            tags: self.tags.0.clone(),
            via: None,
            cancel: call.cancel.clone(),
            watch: self.watch.clone(),
            attempts: None,
            jobs: None,
        }
    }

    /// Returns a call that runs nothing, from which the servers of the batch are found out.
    pub(super) fn no_call() -> PartCall {
        PartCall {
            batch_uid: Uuid::nil(),
            request_uid: Uuid::nil(),
            attempt: 1,
            server: None,
            pipeline: 1,
            cancel: Cancel::new(),
        }
    }
}
