//! The border to what executes items: a batch hands out parts, and a runner runs each on one process.

use std::{fmt, pin::Pin};

use bytes::Bytes;
use mer_core::{FailureKind, Status};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use crate::{item::Item, stop::Stop};

/// The future of a part. Dropping it ends the process of the part without waiting.
pub type PartFuture = Pin<Box<dyn Future<Output = PartEnd> + Send>>;

/// The future of an end.
pub type CloseFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Executes the parts of a batch.
pub trait Runner: Send + Sync {
    /// Returns how many parts may run at once, which may change at any time: free places on all servers that can be
    /// reached. 0 means that nothing can be started for now.
    fn capacity(&self) -> watch::Receiver<usize>;

    /// Whether a process answers several items one after the other. If not, every part has one item.
    fn takes_several(&self) -> bool;

    /// Runs a part on one process, and returns how it ended.
    fn run_part(&self, part: Part) -> PartFuture;

    /// Ends what was kept from one part to the next. No part is run after it.
    fn close(&self) -> CloseFuture {
        Box::pin(std::future::ready(()))
    }
}

/// A part of a batch: items for one process, in order, and one row on record.
#[derive(Debug)]
pub struct Part {
    /// Uid of the batch.
    pub batch_uid: Uuid,
    /// Uid of the request on record.
    pub request_uid: Uuid,
    /// Number of the attempt, from 1. Above 1 only in a part of one item, which is that item's attempt.
    pub attempt: u32,
    /// Whether the part has one item only, because it is its own request or because a former part failed.
    pub is_single: bool,
    /// The server of the former attempt, which is avoided where there is another one.
    pub avoid: Option<String>,
    /// Maximum number of items without a reply. The batch keeps to it: it feeds the first item alone, and the second after
    /// the first reply. The runner sends what it receives at once.
    pub pipeline: usize,
    /// The items. The end of the channel is the end of feeding: the runner waits for the replies that are still missing,
    /// checks that the process says nothing more, and ends the part. Items that are still in the channel when the part
    /// ends count as not sent.
    pub items: mpsc::Receiver<Item>,
    /// Takes the replies, in the order of the items.
    pub replies: ReplySender,
    /// Reaches [`crate::StopLevel::End`] if the process is to be ended. [`crate::StopLevel::Finish`] ends feeding only.
    pub stop: Stop,
}

/// The reply to one item.
#[derive(Debug, Clone)]
pub struct ItemReply {
    /// Number of the item in its part, from 0.
    pub position: u32,
    /// The whole answer, without its delimiter.
    pub output: Bytes,
    /// Time from the reply before it, or from sending where that was later, in milliseconds.
    pub run_ms: u64,
}

/// A reply, and the part that it belongs to.
#[derive(Debug)]
pub(crate) struct PartReply {
    /// Number of the part within the batch.
    pub(crate) part: u64,
    /// The reply.
    pub(crate) reply: ItemReply,
}

/// Sends replies from a part to its batch.
#[derive(Clone)]
pub struct ReplySender {
    part: u64,
    sender: mpsc::Sender<PartReply>,
}

impl fmt::Debug for ReplySender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplySender").field("part", &self.part).finish_non_exhaustive()
    }
}

impl ReplySender {
    /// A sender for the part with this number.
    pub(crate) const fn new(part: u64, sender: mpsc::Sender<PartReply>) -> Self {
        Self { part, sender }
    }

    /// Sends a reply. Waits while the batch has too many unread ones. Returns whether the batch is still there.
    pub async fn send(&self, reply: ItemReply) -> bool {
        self.sender.send(PartReply { part: self.part, reply }).await.is_ok()
    }
}

/// Why a part ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartCause {
    /// Every item that was taken has its reply, and the process said nothing more. Also a request of one item whose
    /// process succeeded.
    Done,
    /// The process died while it served the first item without a reply, or before it had one. No reply of the part counts:
    /// a line too many may have shifted them.
    ProcessDied,
    /// The process printed something that is no reply: a banner, too many lines, a line before it was asked. No reply of
    /// the part counts.
    ProtocolBroken,
    /// An item took longer than its timeout. Among several items it may be another one than the first without a reply: no reply
    /// of the part counts.
    TimedOut,
    /// The part was ended by its batch or by a signal.
    Cancelled,
    /// No server could be reached, none was free in time, or the connection broke.
    Unreachable,
    /// The model says that the first item without a reply failed: a process of one request that exited with another code
    /// than 0, or an input that the protocol cannot carry. The replies before it count, so they are checked as for
    /// [`PartCause::Done`].
    Failed,
    /// Nothing can be executed any more, and another attempt does not help: the model is gone, the database fails, a right
    /// is missing. The batch ends.
    Fatal,
}

/// How a part ended, as it is on record.
#[derive(Debug, Clone)]
pub struct PartEnd {
    /// Why it ended.
    pub cause: PartCause,
    /// Status on record.
    pub status: Status,
    /// Kind of the failure; `None` if it succeeded.
    pub kind: Option<FailureKind>,
    /// Exit code of the model, where it has exited.
    pub exit_code: Option<i32>,
    /// The server that served it; `None` where none was found.
    pub server: Option<String>,
    /// Number of the attempt on record, from 1.
    pub attempt: u32,
    /// Number of items that the process was sent, including those without a reply.
    pub taken: u32,
    /// Why it failed, in a sentence without a final stop; empty if it succeeded.
    pub message: String,
    /// What to do about it, if that is known.
    pub hint: Option<String>,
    /// Whether the same item may succeed at another attempt: a failure of transport, or a process that died before its
    /// reply began.
    pub is_retryable: bool,
}

impl PartEnd {
    /// The end of a part whose items were all answered.
    #[must_use]
    pub const fn done(server: String, attempt: u32, taken: u32) -> Self {
        Self {
            cause: PartCause::Done,
            status: Status::Succeeded,
            kind: None,
            exit_code: None,
            server: Some(server),
            attempt,
            taken,
            message: String::new(),
            hint: None,
            is_retryable: false,
        }
    }
}
