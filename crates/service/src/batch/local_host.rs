//! Runs parts with the scheduler of this process.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
};

use bytes::{Bytes, BytesMut};
use mer_core::FailureKind;
use mer_meal::{Input, JobPool, PartItems, PartReplies};
use mer_scheduler::{Outcome, Output, OutputConfirmation, OutputFailure, PartFeed, PartOutcome, Request, Scheduler};
use tokio::sync::mpsc;

use super::{
    end::PartFailure,
    host::{HostFuture, PartCall, PartHost},
    request::BatchRequest,
};

/// Maximum number of bytes of an answer, which is held in memory.
const MAX_REPLY_BYTES: usize = 64 * 1024 * 1024;
/// Maximum number of chunks of output that wait.
const OUTPUT_QUEUE: usize = 4;

/// Runs parts with the scheduler of this process. Its processes are kept as long as it lives.
#[derive(Debug)]
pub struct LocalHost {
    scheduler: Arc<Scheduler>,
    request: Arc<BatchRequest>,
    /// The jobs on clusters in which the processes of items run, named after the batch.
    jobs: OnceLock<JobPool>,
}

impl LocalHost {
    pub(super) const fn new(scheduler: Arc<Scheduler>, request: Arc<BatchRequest>) -> Self {
        Self { scheduler, request, jobs: OnceLock::new() }
    }
}

impl PartHost for LocalHost {
    fn run_items<'a>(
        &'a self,
        call: &'a PartCall,
        items: &'a mut dyn PartItems,
        replies: &'a mut dyn PartReplies,
    ) -> HostFuture<'a, PartOutcome> {
        Box::pin(async move {
            let request = self.request.scheduler_request(call, Input::Bytes(Bytes::new()));
            let feed = PartFeed { items, replies, pipeline: call.pipeline };
            self.scheduler.run_part(request, feed).await.map_err(|error| PartFailure::of(&error))
        })
    }

    fn run_item<'a>(&'a self, call: &'a PartCall, input: Bytes) -> HostFuture<'a, (Outcome, Bytes)> {
        Box::pin(async move {
            let jobs = self.jobs.get_or_init(|| JobPool::new(format!("mer-{}", call.batch_uid))).clone();
            let request = self.request.scheduler_request(call, Input::Bytes(input));
            let request = Request { jobs: Some(jobs), ..request };
            let (sender, mut chunks) = mpsc::channel(OUTPUT_QUEUE);
            let (confirmation, writer) = OutputConfirmation::new();
            let collect = writer.confirm(async |expected| {
                let collected = collect(&mut chunks).await;
                expected.get().await;
                match collected {
                    Some(output) => (output, Ok(())),
                    None => (Bytes::new(), Err(too_long())),
                }
            });
            let run = self.scheduler.run(request, Output::only(sender), confirmation);
            let (outcome, output) = tokio::join!(run, collect);
            Ok((outcome.map_err(|error| PartFailure::of(&error))?, output.unwrap_or_default()))
        })
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            if let Some(jobs) = self.jobs.get() {
                jobs.close().await;
            }
        })
    }
}

/// Collects an output; none if it is too long. The model is ended then, because its reader is gone.
async fn collect(chunks: &mut mpsc::Receiver<Bytes>) -> Option<Bytes> {
    let Some(first) = chunks.recv().await else { return Some(Bytes::new()) };
    let Some(second) = chunks.recv().await else { return Some(first) };
    let mut all = BytesMut::with_capacity(2 * (first.len() + second.len()));
    all.extend_from_slice(&first);
    all.extend_from_slice(&second);
    while let Some(chunk) = chunks.recv().await {
        if all.len() + chunk.len() > MAX_REPLY_BYTES {
            chunks.close();
            return None;
        }
        all.extend_from_slice(&chunk);
    }
    Some(all.freeze())
}

fn too_long() -> OutputFailure {
    let message = format!("the answer is longer than {} MiB, the maximum in a batch", MAX_REPLY_BYTES / (1024 * 1024));
    // A failure of the model and not of the machine: the batch goes on.
    OutputFailure { kind: FailureKind::Protocol, message }
}
