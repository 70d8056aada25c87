//! A part of a batch for a client: items come in its input, and replies go out in its output.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use mer_client::wire::{PartCounts, PartOpen, next_item, put_reply};
use mer_meal::{ItemReply, PartItems, PartReplies};
use mer_scheduler::{Outcome, OutputConfirmation, PartFeed, PartOutcome};
use mer_service::{ResolvedModel, RunRequest, Runtime, ServiceError};
use tokio::sync::mpsc;

/// Maximum number of bytes of replies that are passed on at once.
const CHUNK: usize = 256 << 10;

/// Runs a part. The end of its output is confirmed before this returns, so that the client has all replies.
pub(crate) async fn serve_part(
    runtime: &Runtime,
    model: &ResolvedModel,
    (request, attempts_made): (RunRequest<'_>, u32),
    part: PartOpen,
    input: mpsc::Receiver<io::Result<Bytes>>,
    stdout: mpsc::Sender<Bytes>,
    confirmation: OutputConfirmation,
) -> Result<(Outcome, PartCounts), ServiceError> {
    let mut items = ClientItems { chunks: input, buffer: BytesMut::new(), is_over: false };
    let mut replies = ClientReplies { stdout, pending: BytesMut::new(), encoded: 0 };
    let feed = PartFeed { items: &mut items, replies: &mut replies, pipeline: part.pipeline };
    let ended = runtime.run_part(model, request, attempts_made, feed).await;
    // The end of the output.
    drop(replies);
    let PartOutcome { outcome, sent, answered } = ended?;
    let _ = confirmation.ask(outcome.succeeded()).await;
    Ok((outcome, PartCounts { sent, answered }))
}

/// The items in the input of a client.
struct ClientItems {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    buffer: BytesMut,
    is_over: bool,
}

impl PartItems for ClientItems {
    fn poll_take(&mut self, context: &mut Context<'_>, limit: usize, payloads: &mut Vec<Bytes>) -> Poll<usize> {
        let mut count = 0;
        loop {
            while count < limit {
                match next_item(&mut self.buffer) {
                    Ok(Some(item)) => payloads.push(item),
                    Ok(None) => break,
                    Err(error) => {
                        tracing::debug!(%error, "a client sent no item");
                        self.is_over = true;
                        self.buffer.clear();
                        break;
                    }
                }
                count += 1;
            }
            if count > 0 || self.is_over {
                return Poll::Ready(count);
            }
            match self.chunks.poll_recv(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(chunk))) => self.buffer.extend_from_slice(&chunk),
                // A client that is gone has cancelled the part.
                Poll::Ready(Some(Err(_)) | None) => self.is_over = true,
            }
        }
    }
}

/// Passes replies to the output of a client.
struct ClientReplies {
    stdout: mpsc::Sender<Bytes>,
    /// What was not passed on yet of the first replies of the queue.
    pending: BytesMut,
    /// Number of those replies.
    encoded: usize,
}

impl PartReplies for ClientReplies {
    fn send<'a>(&'a mut self, replies: &'a mut VecDeque<ItemReply>) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(async move {
            while !replies.is_empty() {
                while self.pending.len() < CHUNK
                    && let Some(reply) = replies.get(self.encoded)
                {
                    put_reply(reply.run_us, &reply.output, &mut self.pending);
                    self.encoded += 1;
                }
                let Ok(permit) = self.stdout.reserve().await else { return false };
                permit.send(self.pending.split_to(self.pending.len().min(CHUNK)).freeze());
                if self.pending.is_empty() {
                    // A reply is taken once all of it was passed on.
                    replies.drain(..std::mem::take(&mut self.encoded));
                }
            }
            true
        })
    }
}
