//! Runs a part of a batch: several items on one process, and one row on record.

use std::{
    collections::VecDeque,
    fmt,
    path::Path,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use mer_core::{Access, Bound, FailureKind, Status};
use mer_meal::{Cancel, EndCause, ItemReply, PartEnd, PartItems, PartReplies, PartRequest, RequestEnd};
use tokio::sync::mpsc;

use crate::{
    Outcome, Output, Request, Scheduler, SchedulerError,
    digest::Digest,
    itinerary::Itinerary,
    kept::{Lease, PooledProcess, stop_now},
    outcome::Verdict,
    placement::{Placement, ProcessLocation},
    record::millis,
    replica::replicas,
    start::ReadyProcess,
};

/// The items of a part, and what takes their replies.
pub struct PartFeed<'a> {
    /// The items.
    pub items: &'a mut dyn PartItems,
    /// Takes the replies.
    pub replies: &'a mut dyn PartReplies,
    /// Maximum number of items that are sent ahead of their replies.
    pub pipeline: usize,
}

impl fmt::Debug for PartFeed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartFeed").field("pipeline", &self.pipeline).finish_non_exhaustive()
    }
}

/// A part that is over and recorded.
#[derive(Debug, Clone)]
pub struct PartOutcome {
    /// The record. A part succeeds if its process kept its protocol.
    pub outcome: Outcome,
    /// Number of items that the process was sent, at least in part.
    pub sent: u32,
    /// Number of items that were answered. The next one was in process, if it was sent.
    pub answered: u32,
}

impl Scheduler {
    /// Runs a part. Its start is recorded before a process is started or sent anything, its end before this returns. The input
    /// of the request is not used, and its retries neither: they are those of single items.
    ///
    /// The first level of the request's cancellation ends feeding, the second the process.
    ///
    /// # Errors
    /// As [`Scheduler::run`]; [`SchedulerError::NotKept`] for a model whose process ends with its request.
    pub async fn run_part(&self, request: Request<'_>, mut feed: PartFeed<'_>) -> Result<PartOutcome, SchedulerError> {
        self.environment.learn(request.servers);
        let replicas = self.able(replicas(request.model, request.servers, request.pinned)?, request.model)?;
        if replicas.iter().any(|placement| !placement.params.protocol().stays_up()) {
            return Err(SchedulerError::NotKept { model: request.model.name.clone() });
        }
        let (stdout, _) = mpsc::channel(1);
        let output = Output::only(stdout);
        let mut itinerary = Itinerary::new(replicas, 0);
        loop {
            let at = self.next_server(&itinerary, &request).await?;
            let attempt = request.attempts_made + itinerary.attempt(at);
            let placement = itinerary.replicas[at].clone();
            let (mut access, spec) = self.begin(attempt, &request, &placement)?;
            (access.items, access.failed_items) = (Some(0), Some(0));
            let preparation = self.preparation(&placement, &request.cancel, false);
            let prepared = Box::pin(preparation.prepare(&mut access, &spec, &request, &output, Path::new(""))).await?;
            let (verdict, ended) = match prepared {
                Ok(process) => {
                    self.server_health.reached(&placement);
                    let exchange =
                        PartExchange { feed: &mut feed, timeout: spec.bounds.timeout, hashes: request.hashes };
                    let (verdict, ended) =
                        serve_part(process, &mut access, &placement, exchange, &request.cancel).await;
                    (verdict, Some(ended))
                }
                Err(verdict) => (verdict, None),
            };
            if verdict.elsewhere && verdict.status == Status::Unreachable {
                self.server_health.failed(&placement, Instant::now());
            }
            let is_over = !(verdict.elsewhere && itinerary.has_untried());
            let (sent, answered) = ended.map_or((0, 0), |ended| (ended.sent, ended.answered));
            let outcome = self.recorder.record_end(access, verdict).await;
            if is_over {
                return Ok(PartOutcome { outcome, sent, answered });
            }
        }
    }
}

/// What a process is sent, and how it is bounded.
struct PartExchange<'a, 'f> {
    feed: &'a mut PartFeed<'f>,
    timeout: Bound,
    hashes: bool,
}

async fn serve_part(
    process: ReadyProcess,
    access: &mut Access,
    placement: &Placement,
    exchange: PartExchange<'_, '_>,
    cancel: &Cancel,
) -> (Verdict, PartEnd) {
    match process {
        ReadyProcess::Kept(lease) => serve_kept(*lease, access, placement.location(), exchange, cancel).await,
        ReadyProcess::Unkept(mut process) => {
            let ended = send_items(&mut process, access, exchange, cancel).await;
            let verdict = of_part(access, &ended, placement.location());
            stop_now(*process).await;
            (verdict, ended)
        }
        ReadyProcess::Once(..) | ReadyProcess::Loaded => (gone(), not_sent()),
    }
}

async fn serve_kept(
    mut lease: Lease,
    access: &mut Access,
    location: ProcessLocation,
    exchange: PartExchange<'_, '_>,
    cancel: &Cancel,
) -> (Verdict, PartEnd) {
    let Some(process) = lease.process() else { return (gone(), not_sent()) };
    let ended = send_items(process, access, exchange, cancel).await;
    let is_alive = process.process.is_alive();
    let location = if is_alive { ProcessLocation::Serving } else { location };
    let mut verdict = of_part(access, &ended, location);
    verdict.died_unheard = ended.end.cause == EndCause::Died && ended.answered == 0;
    let verdict = lease.end_use(&ended.end.cause, ended.answered.into(), verdict, is_alive);
    (verdict, ended)
}

/// Sends the items, and passes the replies on.
async fn send_items(
    process: &mut PooledProcess,
    access: &mut Access,
    exchange: PartExchange<'_, '_>,
    cancel: &Cancel,
) -> PartEnd {
    let PartExchange { feed, timeout, hashes } = exchange;
    let mut items = HashedItems { items: &mut *feed.items, digest: Digest::new(hashes) };
    let mut replies = HashedReplies { replies: &mut *feed.replies, digest: Digest::new(hashes), hashed: 0 };
    let request = PartRequest { items: &mut items, replies: &mut replies, pipeline: feed.pipeline, timeout };
    let ended = process.process.request_part(request, cancel).await;
    access.run_ms = Some(millis(ended.end.run));
    if ended.end.cause == EndCause::Done {
        (access.stdin_sha256, access.stdout_sha256) = (items.digest.finish().1, replies.digest.finish().1);
    }
    ended
}

/// Returns the verdict on a part, and writes the counts of its items into the access.
fn of_part(access: &mut Access, ended: &PartEnd, location: ProcessLocation) -> Verdict {
    let mut verdict = Verdict::of_reply(access, &ended.end, location);
    let PartEnd { sent, answered, .. } = *ended;
    // Another output than the replies shifts them: none of them counts.
    let failed = if verdict.failure == Some(FailureKind::Protocol) { sent } else { sent - answered };
    (access.items, access.failed_items) = (Some(sent.into()), Some(failed.into()));
    if let Some(error) = &mut verdict.error
        && sent > 1
    {
        *error = match sent - answered {
            0 => format!("{error}; all {sent} items that it was sent had an answer"),
            _ => format!("{error}; of the {sent} items that it was sent, item {} was in process", answered + 1),
        };
    }
    verdict
}

fn gone() -> Verdict {
    Verdict::new(Status::Failed, FailureKind::Bug, "the process of the part is gone")
}

fn not_sent() -> PartEnd {
    PartEnd { end: RequestEnd::uncounted(EndCause::Died), sent: 0, answered: 0 }
}

/// Hashes the items that are taken, each with a newline.
struct HashedItems<'a> {
    items: &'a mut dyn PartItems,
    digest: Digest,
}

impl PartItems for HashedItems<'_> {
    fn poll_take(&mut self, context: &mut Context<'_>, limit: usize, payloads: &mut Vec<Bytes>) -> Poll<usize> {
        let before = payloads.len();
        let taken = self.items.poll_take(context, limit, payloads);
        for payload in &payloads[before..] {
            self.digest.update_line(payload);
        }
        taken
    }
}

/// Hashes the replies that are passed on, each with a newline.
struct HashedReplies<'a> {
    replies: &'a mut dyn PartReplies,
    digest: Digest,
    /// Number of replies that were hashed.
    hashed: u32,
}

impl PartReplies for HashedReplies<'_> {
    fn send<'a>(&'a mut self, replies: &'a mut VecDeque<ItemReply>) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        for reply in replies.iter().filter(|reply| reply.position >= self.hashed) {
            self.digest.update_line(&reply.output);
        }
        if let Some(last) = replies.back() {
            self.hashed = last.position + 1;
        }
        self.replies.send(replies)
    }
}
