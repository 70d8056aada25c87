//! A part that runs, and what counts of it at its end.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{
    item::Item,
    runner::{ItemReply, PartCause, PartEnd},
};

/// Maximum number of items of a part.
const MOST_ITEMS: usize = 1000;
/// How long a part is fed.
pub(crate) const MOST_TIME: Duration = Duration::from_secs(10);
/// The same where results go to a stream, whose reader may wait for each of them.
pub(crate) const MOST_TIME_OF_STREAM: Duration = Duration::from_secs(1);
/// How long a part without items waits for more.
const LINGER: Duration = Duration::from_millis(100);
/// Items are sent ahead for about this long. A slow model thereby has few items that are run again if its process dies.
const AHEAD_MS: u64 = 500;

/// A part that runs.
#[derive(Debug)]
pub(crate) struct PartRun {
    /// Request on record.
    pub(crate) request_uid: Uuid,
    /// Whether it has one item only.
    pub(crate) is_single: bool,
    /// Indices of the items that were sent.
    pub(crate) sent: Vec<u64>,
    /// The replies, in order, with their times in milliseconds.
    pub(crate) replies: Vec<(Bytes, u64)>,
    /// Size of the replies, in bytes.
    pub(crate) reply_bytes: usize,
    /// Whether replies came in another order than the items.
    pub(crate) is_mixed_up: bool,
    feed: Option<mpsc::Sender<Item>>,
    most_time: Duration,
    begun: Instant,
    last_reply: Instant,
    /// Moving mean of the times of replies, in milliseconds.
    mean_ms: u64,
}

impl PartRun {
    /// A part that begins now, and is fed for this long.
    pub(crate) fn new(request_uid: Uuid, is_single: bool, feed: mpsc::Sender<Item>, most_time: Duration) -> Self {
        let begun = Instant::now();
        Self {
            request_uid,
            is_single,
            sent: Vec::new(),
            replies: Vec::new(),
            reply_bytes: 0,
            is_mixed_up: false,
            feed: Some(feed),
            most_time,
            begun,
            last_reply: begun,
            mean_ms: 0,
        }
    }

    /// Whether another item can be sent now, `pipeline` of them at most ahead of their replies.
    pub(crate) fn takes_more(&self, pipeline: usize) -> bool {
        let ahead = match self.replies.len() {
            // The first item of a process goes alone.
            0 => 1,
            _ => usize::try_from(AHEAD_MS / self.mean_ms.max(1)).unwrap_or(pipeline).clamp(1, pipeline.max(1)),
        };
        let is_bounded = self.is_single && !self.sent.is_empty() || self.sent.len() >= MOST_ITEMS;
        self.feed.is_some() && !is_bounded && self.in_flight() < ahead
    }

    /// Sends an item. Returns whether the process still takes one.
    pub(crate) fn send(&mut self, item: Item) -> bool {
        let index = item.index;
        let is_sent = self.feed.as_ref().is_some_and(|feed| feed.try_send(item).is_ok());
        if is_sent {
            self.sent.push(index);
        }
        // A part that is full ends at once, so that the next one can begin.
        if !is_sent || self.sent.len() >= MOST_ITEMS {
            self.feed = None;
        }
        is_sent
    }

    /// Takes a reply that came now. Returns its size in bytes.
    pub(crate) fn reply(&mut self, reply: ItemReply, now: Instant) -> usize {
        self.is_mixed_up |= reply.position as usize != self.replies.len();
        self.mean_ms = if self.replies.is_empty() { reply.run_ms } else { (self.mean_ms * 7 + reply.run_ms) / 8 };
        self.last_reply = now;
        let size = reply.output.len() + size_of::<(Bytes, u64)>();
        self.reply_bytes += size;
        self.replies.push((reply.output, reply.run_ms));
        size
    }

    /// Number of items without a reply.
    pub(crate) fn in_flight(&self) -> usize {
        self.sent.len().saturating_sub(self.replies.len())
    }

    /// Whether it is still fed.
    pub(crate) const fn is_fed(&self) -> bool {
        self.feed.is_some()
    }

    /// Ends feeding, after which the process finishes what it has.
    pub(crate) fn close(&mut self) {
        self.feed = None;
    }

    /// Ends feeding if the part is full, old, or has had nothing to do for a while.
    pub(crate) fn close_if_due(&mut self, now: Instant) {
        let is_idle = self.in_flight() == 0 && now.duration_since(self.last_reply) >= LINGER;
        let is_full = self.sent.len() >= MOST_ITEMS || now.duration_since(self.begun) >= self.most_time;
        if is_idle || is_full || self.is_single {
            self.close();
        }
    }
}

/// What counts of a part that ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Number of replies that count, from the first item on.
    pub(crate) counted: usize,
    /// What becomes of the item after them, if there is one that the process was sent.
    pub(crate) culprit: Culprit,
    /// Whether the other items that were sent go one by one.
    pub(crate) one_by_one: bool,
}

/// What becomes of the first item whose reply does not count.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Culprit {
    /// It is like the others.
    None,
    /// Number of the item: its process died.
    Died(usize),
    /// Number of the item: it failed.
    Failed(usize),
}

/// Decides what counts of a part.
///
/// Replies count if their number is right and nothing was left over, which is known only where the process goes on. A process
/// that died, or took too long, may have printed a line too many or too few before, which shifted all replies after it: none
/// counts. For the same reason a timeout is no item's before the item is alone.
pub(crate) fn verdict(part: &PartRun, end: &PartEnd) -> Verdict {
    let (sent, replies) = (part.sent.len(), part.replies.len());
    let taken = (end.taken as usize).min(sent);
    let none = |culprit, one_by_one| Verdict { counted: 0, culprit, one_by_one };
    if part.is_mixed_up || replies > taken {
        return if part.is_single { failed(0, 0) } else { none(Culprit::None, true) };
    }
    match end.cause {
        PartCause::Done if replies == taken && taken > 0 => {
            Verdict { counted: replies, culprit: Culprit::None, one_by_one: false }
        }
        // Feeding was ended before the first item was sent.
        PartCause::Done if taken == 0 => none(Culprit::None, true),
        PartCause::Failed if replies + 1 == taken || replies == taken => failed(replies, replies),
        PartCause::Unreachable | PartCause::Cancelled | PartCause::Fatal => none(Culprit::None, false),
        PartCause::ProcessDied if part.is_single => none(Culprit::Died(0), true),
        PartCause::TimedOut if sent == 1 && replies == 0 => failed(0, 0),
        _ if part.is_single => failed(0, 0),
        // A process that has answered all it was sent dies of no item.
        PartCause::ProcessDied if replies < taken || taken == 0 => none(Culprit::Died(replies), true),
        _ => none(Culprit::None, true),
    }
}

const fn failed(counted: usize, at: usize) -> Verdict {
    Verdict { counted, culprit: Culprit::Failed(at), one_by_one: true }
}
