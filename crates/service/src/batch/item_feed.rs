//! The items of a part and their replies, between a batch and a process.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use mer_batch::{Item, ReplySender};
use mer_core::{Protocol, Tokens};
use mer_meal::{ItemReply, PartItems, PartReplies, check_input};
use tokio::sync::mpsc;

/// The items of a part. An item that the protocol cannot carry ends feeding.
#[derive(Debug)]
pub struct ItemFeed {
    items: mpsc::Receiver<Item>,
    taken: Vec<Item>,
    protocol: Protocol,
    tokens: Tokens,
    refused: Option<String>,
}

impl ItemFeed {
    /// The items are checked for this protocol.
    #[must_use]
    pub fn new(items: mpsc::Receiver<Item>, protocol: Protocol, tokens: Tokens) -> Self {
        Self { items, taken: Vec::new(), protocol, tokens, refused: None }
    }

    /// Takes the only item of a part that is a request of its own.
    pub async fn single(&mut self) -> Option<Bytes> {
        self.items.recv().await.map(|item| item.input)
    }

    /// Returns why an item could not be sent, if the protocol cannot carry it. It is the one after those that were taken.
    pub fn take_refused(&mut self) -> Option<String> {
        self.refused.take()
    }
}

impl PartItems for ItemFeed {
    fn poll_take(&mut self, context: &mut Context<'_>, limit: usize, payloads: &mut Vec<Bytes>) -> Poll<usize> {
        if self.refused.is_some() {
            return Poll::Ready(0);
        }
        let Poll::Ready(count) = self.items.poll_recv_many(context, &mut self.taken, limit) else {
            return Poll::Pending;
        };
        for Item { input, .. } in self.taken.drain(..count) {
            if let Err(error) = check_input(self.protocol, &self.tokens, &input) {
                self.refused = Some(error.to_string());
                break;
            }
            payloads.push(input);
        }
        Poll::Ready(if self.refused.is_some() { 0 } else { count })
    }
}

/// Passes replies on to a batch.
#[derive(Debug)]
pub struct ReplyFeed(ReplySender);

impl ReplyFeed {
    /// Sends to this batch.
    #[must_use]
    pub const fn new(sender: ReplySender) -> Self {
        Self(sender)
    }
}

impl PartReplies for ReplyFeed {
    fn send<'a>(&'a mut self, replies: &'a mut VecDeque<ItemReply>) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(async move {
            while let Some(ItemReply { position, output, run_us }) = replies.front() {
                let reply = mer_batch::ItemReply { position: *position, output: output.clone(), run_ms: run_us / 1000 };
                if !self.0.send(reply).await {
                    return false;
                }
                replies.pop_front();
            }
            true
        })
    }
}
