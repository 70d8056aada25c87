//! How far a part has come.

use std::{
    collections::VecDeque,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::{Buf as _, Bytes, BytesMut};
use mer_core::Bound;

use super::{
    framing::{Framing, Stage},
    part::{ItemReply, PartItems},
};

/// Number of bytes up to which items are put on the wire in advance.
const AHEAD_BYTES: usize = 256 * 1024;
/// Items that take less than this on the mean are polled for.
const SHORT_ITEM: Duration = Duration::from_micros(20);
/// Number of items from which on the mean means something.
const FEW: u32 = 8;
/// Longest time that one item is polled for.
const LONGEST_POLL: Duration = Duration::from_micros(50);

/// The items of a part that were taken, written and answered so far.
#[derive(Debug)]
pub(super) struct PartProgress {
    /// Maximum number of items without a reply.
    window: usize,
    /// The window once the process has answered.
    allowed: usize,
    /// Whether there may be further items.
    pub(super) is_fed: bool,
    /// Items that were taken and are not on the wire.
    queued: VecDeque<Bytes>,
    /// Whether items were taken and are not sent any more.
    has_dropped: bool,
    taken: Vec<Bytes>,
    /// What is on the wire and was not written yet.
    pub(super) unwritten: BytesMut,
    written: u64,
    /// Where the items on the wire without a reply begin and end, in bytes of stdin.
    spans: VecDeque<(u64, u64)>,
    framed: u64,
    /// Bytes of the items on the wire, without their framing.
    payload_bytes: u64,
    pub(super) stage: Stage,
    /// Number of unread bytes in which no line ends.
    pub(super) scanned: usize,
    /// The beginning of a reply of `token`.
    pub(super) partial: BytesMut,
    /// Replies that were not passed on yet.
    pub(super) replies: VecDeque<ItemReply>,
    pub(super) answered: u32,
    pub(super) stdout_bytes: u64,
    /// When the last reply came, or the item in process was sent, if that was later.
    since: Instant,
    begin: Instant,
}

impl PartProgress {
    /// The first item goes alone if `is_new`: the process has answered nothing before.
    pub(super) fn new(framing: &Framing, mid_line: bool, pipeline: usize, is_new: bool) -> Self {
        let allowed = if framing.is_lines() { pipeline.max(1) } else { 1 };
        let now = Instant::now();
        Self {
            window: if is_new { 1 } else { allowed },
            allowed,
            is_fed: false,
            queued: VecDeque::new(),
            has_dropped: false,
            taken: Vec::new(),
            unwritten: BytesMut::new(),
            written: 0,
            spans: VecDeque::new(),
            framed: 0,
            payload_bytes: 0,
            stage: framing.begin(mid_line),
            scanned: 0,
            partial: BytesMut::new(),
            replies: VecDeque::new(),
            answered: 0,
            stdout_bytes: 0,
            since: now,
            begin: now,
        }
    }

    /// Lets further items go ahead of their replies, once the process has answered.
    pub(super) const fn widen(&mut self) {
        self.window = self.allowed;
    }

    /// Whether there is room for further items.
    pub(super) fn wants_items(&self) -> bool {
        !self.is_fed && self.spans.len() + self.queued.len() < self.window
    }

    /// Takes items as far as there is room for them. Ready once some were taken, or none come any more.
    pub(super) fn poll_items(&mut self, items: &mut dyn PartItems, context: &mut Context<'_>) -> Poll<()> {
        let room = self.window - self.spans.len() - self.queued.len();
        let polled = items.poll_take(context, room, &mut self.taken);
        self.queued.extend(self.taken.drain(..));
        polled.map(|count| self.is_fed = count == 0)
    }

    /// Ends feeding. Of the items on the wire, those that were not begun are not sent any more if `at_once`.
    pub(super) fn end_feeding(&mut self, at_once: bool) {
        self.is_fed = true;
        self.has_dropped |= !self.queued.is_empty();
        self.queued.clear();
        if at_once {
            self.unwritten.clear();
            let before = self.spans.len();
            self.spans.retain(|(begin, _)| *begin < self.written);
            self.has_dropped |= self.spans.len() < before;
        }
    }

    /// Puts items on the wire.
    pub(super) fn frame(&mut self, framing: &Framing) {
        while self.unwritten.len() < AHEAD_BYTES
            && let Some(payload) = self.queued.pop_front()
        {
            if self.spans.is_empty() {
                self.since = Instant::now();
            }
            let (begin, before) = (self.framed, self.unwritten.len());
            framing.append_request(&payload, &mut self.unwritten);
            self.framed += (self.unwritten.len() - before) as u64;
            self.payload_bytes += payload.len() as u64;
            self.spans.push_back((begin, self.framed));
        }
    }

    /// Notes that bytes were written.
    pub(super) fn wrote(&mut self, count: usize) {
        self.unwritten.advance(count);
        self.written += count as u64;
    }

    /// Returns where the item in process ends, in bytes of stdin; none while there is none.
    pub(super) fn item_end(&self) -> Option<u64> {
        self.spans.front().map(|(_, end)| *end)
    }

    /// Notes the reply to the item in process.
    pub(super) fn reply(&mut self, output: Bytes, now: Instant) {
        self.spans.pop_front();
        let run = now.saturating_duration_since(self.since).as_micros();
        let run_us = u64::try_from(run).unwrap_or(u64::MAX);
        self.replies.push_back(ItemReply { position: self.answered, output, run_us });
        self.since = now;
        self.answered += 1;
    }

    /// Notes that the replies were passed on. The wait for their reader is no time of the model.
    pub(super) fn passed_on(&mut self) {
        self.since = Instant::now();
    }

    /// Whether no item comes any more, and all were answered.
    pub(super) fn is_over(&self) -> bool {
        self.is_fed && self.spans.is_empty() && self.queued.is_empty()
    }

    /// Returns when the item in process has taken too long; none while there is none, and while replies wait for their reader:
    /// the reply to that item may be in the pipe already.
    pub(super) fn due(&self, timeout: Bound) -> Option<Instant> {
        if self.spans.is_empty() || !self.replies.is_empty() { None } else { timeout.deadline(self.since) }
    }

    /// Returns the mean time from one reply to the next.
    pub(super) fn pace(&self) -> Duration {
        self.begin.elapsed() / self.answered.max(1)
    }

    /// Whether the reply to the item in process is likely to come within microseconds, so that a sleep would take longer.
    pub(super) fn is_imminent(&self) -> bool {
        !self.spans.is_empty()
            && self.answered >= FEW
            && self.since.elapsed() < LONGEST_POLL
            && self.pace() < SHORT_ITEM
    }

    /// Whether items were taken, and none of them was sent.
    pub(super) fn is_unsent(&self) -> bool {
        self.has_dropped && self.sent() == 0
    }

    /// Returns the number of items that were sent, at least in part.
    pub(super) fn sent(&self) -> u32 {
        let sent = self.spans.iter().filter(|(begin, _)| *begin < self.written).count();
        self.answered + u32::try_from(sent).unwrap_or(u32::MAX)
    }

    /// Returns the number of bytes of the items that were sent: lines with their newline, others without their framing.
    pub(super) const fn stdin_bytes(&self, framing: &Framing) -> u64 {
        if framing.is_lines() { self.written } else { self.payload_bytes }
    }

    /// Returns the number of bytes that the process has read, if `unread` of what was written are left.
    pub(super) const fn read_by_process(&self, unread: u64) -> u64 {
        self.written.saturating_sub(unread)
    }
}
