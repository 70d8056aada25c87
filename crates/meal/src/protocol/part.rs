//! A part of a batch: several items that one process answers one after the other.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use mer_core::Bound;

use crate::RequestEnd;

/// Where the items of a part come from.
pub trait PartItems: Send {
    /// Appends the items that are there to `payloads`, at most `limit`. Each is one that [`crate::check_input`] accepts, without
    /// a final newline. Returns their number; 0 after the last one.
    fn poll_take(&mut self, context: &mut Context<'_>, limit: usize, payloads: &mut Vec<Bytes>) -> Poll<usize>;
}

/// The reply to one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemReply {
    /// Number of the item in its part, from 0.
    pub position: u32,
    /// The whole reply, without its final newline.
    pub output: Bytes,
    /// Time from the reply before it, or from sending where that was later, in microseconds.
    pub run_us: u64,
}

/// What takes the replies of a part.
pub trait PartReplies: Send {
    /// Takes the replies from the front of `replies`, in the order of their items. Returns false if they are not wanted any
    /// longer. Cancelling it leaves the replies there that were not taken.
    fn send<'a>(&'a mut self, replies: &'a mut VecDeque<ItemReply>) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>>;
}

/// What a process is sent in a part, and how it is bounded.
pub struct PartRequest<'a> {
    /// The items. Feeding ends when they do.
    pub items: &'a mut dyn PartItems,
    /// Takes the replies.
    pub replies: &'a mut dyn PartReplies,
    /// Maximum number of items that are sent ahead of their replies, at least 1. `token` is sent one at a time.
    pub pipeline: usize,
    /// Bound on the time from the reply before an item to its own.
    pub timeout: Bound,
}

impl fmt::Debug for PartRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pipeline, timeout, .. } = self;
        f.debug_struct("PartRequest").field("pipeline", pipeline).field("timeout", timeout).finish_non_exhaustive()
    }
}

/// How a part ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartEnd {
    /// How the request ended. With `Done`, each item that was sent has its reply, and the process said nothing more; if none was
    /// sent, none was wanted. After `ProtocolBroken` a reply may belong to another item.
    pub end: RequestEnd,
    /// Number of items that were sent, at least in part.
    pub sent: u32,
    /// Number of items that were answered. The next one was in process, if it was sent.
    pub answered: u32,
}
