//! Runs the parts of a batch in the resident, where it keeps the model, and in this process otherwise.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use mer_meal::{PartItems, PartReplies};
use mer_scheduler::{Outcome, PartOutcome};
use mer_service::batch::{BatchRequest, HostFuture, LocalHost, PartCall, PartFailure, PartHost};

use crate::{
    error::ClientError,
    location::Location,
    run::{Answer, Reservation},
    steer::leave,
    wire::{CallerContext, DeclineReason, ErrorMessage, Open, PartOpen},
};

/// Runs parts in the resident. Once it has declined one, or is gone, the others run in this process.
#[derive(Debug)]
pub struct ResidentHost {
    location: Location,
    context: CallerContext,
    mer_version: String,
    request: Arc<BatchRequest>,
    local: Arc<LocalHost>,
    is_here: AtomicBool,
}

impl ResidentHost {
    /// The resident of this socket is asked, on behalf of this caller.
    #[must_use]
    pub const fn new(
        location: Location,
        context: CallerContext,
        mer_version: String,
        local: Arc<LocalHost>,
        request: Arc<BatchRequest>,
    ) -> Self {
        Self { location, context, mer_version, request, local, is_here: AtomicBool::new(false) }
    }

    /// Asks the resident. Returns none if the part is to run in this process.
    async fn reserve(&self, call: &PartCall) -> Result<Option<Box<Reservation>>, PartFailure> {
        if self.is_here.load(Ordering::Relaxed) {
            return Ok(None);
        }
        match Reservation::open(&self.location, &self.open(call)).await {
            Ok(Answer::Reserved(reservation)) => return Ok(Some(reservation)),
            Ok(Answer::Refused(message)) => return Err(refused(message)),
            Ok(Answer::Declined(declined)) => {
                tracing::debug!(reason = ?declined.reason, "the resident does not run this batch");
                if declined.reason == DeclineReason::Version
                    && let Err(error) = leave(&self.location).await
                {
                    tracing::debug!(error = &error as &dyn std::error::Error, "the resident was not asked to end");
                }
            }
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "the batch goes on without a resident");
            }
        }
        self.is_here.store(true, Ordering::Relaxed);
        Ok(None)
    }

    fn open(&self, call: &PartCall) -> Open {
        let BatchRequest { model, timeout, hashes, priority, tags, .. } = &*self.request;
        let name = &model.model().name;
        Open {
            mer_version: self.mer_version.clone(),
            request_uid: call.request_uid,
            model: match &model.weights {
                Some(weights) => format!("{name}:{}", weights.version),
                None => name.clone(),
            },
            server: call.server.clone(),
            timeout: *timeout,
            hashes: *hashes,
            retries: 0,
            retry_failed: false,
            priority: *priority,
            batch_uid: Some(call.batch_uid),
            registration_sha256: Some(model.registration_sha256()),
            attempts_made: call.attempt.saturating_sub(1),
            part: Some(PartOpen { pipeline: call.pipeline }),
            tags: tags.clone(),
            diagnostics: false,
            progress: false,
            takes_back: true,
            context: self.context.clone(),
        }
    }
}

impl PartHost for ResidentHost {
    fn run_items<'a>(
        &'a self,
        call: &'a PartCall,
        items: &'a mut dyn PartItems,
        replies: &'a mut dyn PartReplies,
    ) -> HostFuture<'a, PartOutcome> {
        Box::pin(async move {
            match self.reserve(call).await? {
                None => self.local.run_items(call, items, replies).await,
                Some(reservation) => {
                    let ended = reservation.run_part(items, replies, call.pipeline, &call.cancel).await;
                    if matches!(ended, Err(ClientError::Declined(_))) {
                        self.is_here.store(true, Ordering::Relaxed);
                    }
                    ended.map_err(|error| failure(&error))
                }
            }
        })
    }

    fn run_item<'a>(&'a self, call: &'a PartCall, input: Bytes) -> HostFuture<'a, (Outcome, Bytes)> {
        // Its process ends with it, so that there is nothing to share.
        self.local.run_item(call, input)
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.local.close()
    }
}

fn failure(error: &ClientError) -> PartFailure {
    match error {
        ClientError::Refused(message) => refused(message.clone()),
        error => PartFailure::of(error),
    }
}

fn refused(ErrorMessage { kind, message, causes, hints }: ErrorMessage) -> PartFailure {
    let message = [vec![message], causes].concat().join(": ");
    PartFailure { kind, message, hint: hints.into_iter().next() }
}
