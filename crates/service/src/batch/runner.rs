//! What a batch hands its parts to.

use std::{convert::Infallible, future::pending, sync::Arc};

use bytes::Bytes;
use mer_batch::{CloseFuture, Part, PartCause, PartEnd, PartFuture, Runner, Stop, StopLevel};
use mer_core::{FailureKind, Protocol, Status};
use mer_meal::{Cancel, Input};
use tokio::sync::watch;

use super::{
    capacity::Capacity,
    end::PartResult,
    host::{PartCall, PartHost},
    item_feed::{ItemFeed, ReplyFeed},
    local_host::LocalHost,
    request::BatchRequest,
    single::run_single,
};
use crate::{error::ServiceError, runtime::Runtime};

/// Chooses the server of each part of a batch, and runs it there.
#[derive(Debug)]
pub struct BatchRunner<H> {
    host: Arc<H>,
    request: Arc<BatchRequest>,
    capacity: Arc<Capacity>,
}

impl Runtime {
    /// Returns what executes a batch in this process. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The model has no such server, or needs what none of them has.
    pub fn batch_runner(&self, request: BatchRequest) -> Result<BatchRunner<LocalHost>, ServiceError> {
        let uid = request.model.view.database_uid;
        self.wake_drainer(uid);
        let scheduler = self.scheduler(uid);
        let request = Arc::new(request);
        let call = BatchRequest::no_call();
        let places =
            scheduler.batch_places(&request.scheduler_request(&call, Input::Bytes(Bytes::new())), request.jobs)?;
        let host = Arc::new(LocalHost::new(Arc::clone(scheduler), Arc::clone(&request)));
        Ok(BatchRunner { host, request, capacity: Capacity::new(places) })
    }
}

impl<H: PartHost> BatchRunner<H> {
    /// Runs the parts on another host, which is given the one that ran them.
    #[must_use]
    pub fn on<O: PartHost>(self, host: impl FnOnce(Arc<H>, Arc<BatchRequest>) -> O) -> BatchRunner<O> {
        let Self { host: inner, request, capacity } = self;
        BatchRunner { host: Arc::new(host(inner, Arc::clone(&request))), request, capacity }
    }
}

impl<H: PartHost> Runner for BatchRunner<H> {
    fn capacity(&self) -> watch::Receiver<usize> {
        self.capacity.subscribe()
    }

    fn takes_several(&self) -> bool {
        self.request.takes_several()
    }

    fn run_part(&self, part: Part) -> PartFuture {
        let Self { host, request, capacity } = self;
        let (host, request, capacity) = (Arc::clone(host), Arc::clone(request), Arc::clone(capacity));
        Box::pin(async move {
            let Some(place) = capacity.take(part.avoid.as_deref()) else { return no_server(part.attempt) };
            let attempt = part.attempt;
            let Some(result) = run(&*host, &request, part, &place.server).await else {
                return PartEnd::done(place.server.clone(), attempt, 0);
            };
            let is_hopeless = place.give_back(result.place_use());
            result.end(attempt, is_hopeless, |outcome| request.hint.as_ref().and_then(|hint| hint(outcome)))
        })
    }

    fn close(&self) -> CloseFuture {
        let host = Arc::clone(&self.host);
        Box::pin(async move { host.close().await })
    }
}

/// Runs a part on a server. Returns none if it has no items.
async fn run(host: &dyn PartHost, request: &BatchRequest, part: Part, server: &str) -> Option<PartResult> {
    let Part { batch_uid, request_uid, attempt, pipeline, items, replies, stop, .. } = part;
    let params = request.model.model().spec.on_server(server);
    let is_oneshot = params.protocol() == Protocol::Oneshot;
    let cancel = Cancel::new();
    let (server, cancelled) = (Some(server.to_owned()), cancel.clone());
    let call = PartCall { batch_uid, request_uid, attempt, server, pipeline, cancel: cancelled };
    let mut items = ItemFeed::new(items, params.protocol(), params.tokens());
    let running = async {
        if is_oneshot {
            return run_single(host, &call, &mut items, request.ends_lines, &replies).await;
        }
        let mut feed = ReplyFeed::new(replies.clone());
        let ended = host.run_items(&call, &mut items, &mut feed).await;
        let (sent, answered) = ended.as_ref().map_or((0, 0), |ended| (ended.sent, ended.answered));
        let (outcome, refused) = (ended.map(|ended| ended.outcome), items.take_refused());
        Some(PartResult { outcome, sent, answered, refused })
    };
    tokio::select! {
        biased;
        result = running => result,
        never = cancel_on_stop(&stop, &cancel, is_oneshot) => match never {},
        never = close_on_stop(host, &stop, is_oneshot) => match never {},
    }
}

/// Cancels what runs. A process that ends with its item is ended at the second level only. Never returns.
async fn cancel_on_stop(stop: &Stop, cancel: &Cancel, is_oneshot: bool) -> Infallible {
    stop.reached(StopLevel::Finish).await;
    if !is_oneshot {
        cancel.cancel();
    }
    stop.reached(StopLevel::End).await;
    if is_oneshot {
        cancel.cancel();
    } else {
        cancel.cancel_now();
    }
    pending().await
}

/// Ends what stays from one item to the next once no further one is run, and with it the wait for it. Never returns.
async fn close_on_stop(host: &dyn PartHost, stop: &Stop, is_oneshot: bool) -> Infallible {
    stop.reached(StopLevel::Finish).await;
    if is_oneshot {
        host.close().await;
    }
    pending().await
}

fn no_server(attempt: u32) -> PartEnd {
    PartEnd {
        cause: PartCause::Unreachable,
        status: Status::Unreachable,
        kind: Some(FailureKind::Unreachable),
        exit_code: None,
        server: None,
        attempt,
        taken: 0,
        message: "no server of the model could be reached a moment ago".to_owned(),
        hint: None,
        is_retryable: true,
    }
}
