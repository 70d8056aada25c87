//! The items between the first that is not over and the last that was read.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use uuid::Uuid;

use crate::{input::Entry, results::Finished};

/// Number of results that are handed on at once. Those that waited for a slow item are many, and would be in memory twice.
const MOST_AT_ONCE: usize = 1024;

/// An item that is not over.
#[derive(Debug)]
pub(crate) struct Pending {
    /// The item.
    pub(crate) entry: Entry,
    /// Number of processes that died while they served it.
    pub(crate) deaths: u32,
    /// Number of its failures after which it was run again.
    pub(crate) failures: u32,
    /// Number of attempts in parts of its own.
    pub(crate) attempts: u32,
    /// Request on record of these attempts.
    pub(crate) request_uid: Option<Uuid>,
    /// The server of the last of these attempts.
    pub(crate) avoid: Option<Arc<str>>,
}

/// The state of an item.
#[derive(Debug)]
enum Slot {
    /// It was read, and waits.
    Waiting(Box<Pending>),
    /// A part has it.
    Running(Box<Pending>),
    /// It is over, and waits for those before it.
    Ready(Box<Finished>),
    /// Its result was handed on.
    Over,
}

/// The items between the first that is not over and the last that was read.
#[derive(Debug)]
pub(crate) struct Window {
    is_ordered: bool,
    /// Index of the first slot.
    front: u64,
    slots: VecDeque<Slot>,
    /// No item before this one waits for a part of several.
    fresh: u64,
    /// Items that go one by one.
    single: BTreeSet<u64>,
    /// Size of the items that wait, in bytes.
    waiting_bytes: usize,
    /// Size of everything, in bytes.
    bytes: usize,
    waiting: usize,
    running: usize,
}

impl Pending {
    /// An item that was not tried yet.
    pub(crate) const fn new(entry: Entry) -> Self {
        Self { entry, deaths: 0, failures: 0, attempts: 0, request_uid: None, avoid: None }
    }

    fn weight(&self) -> usize {
        let text = self.entry.id.as_ref().map_or(0, String::len) + self.entry.fault.as_ref().map_or(0, String::len);
        self.entry.item.input.len() + text + size_of::<Self>() + size_of::<Slot>()
    }
}

impl Window {
    /// An empty window that begins with this index.
    pub(crate) const fn new(front: u64, is_ordered: bool) -> Self {
        Self {
            is_ordered,
            front,
            slots: VecDeque::new(),
            fresh: front,
            single: BTreeSet::new(),
            waiting_bytes: 0,
            bytes: 0,
            waiting: 0,
            running: 0,
        }
    }

    /// Whether every item is over.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Size of everything in the window, in bytes.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Size of the items that wait, in bytes, and their number.
    pub(crate) const fn waiting(&self) -> (usize, usize) {
        (self.waiting_bytes, self.waiting)
    }

    /// Number of items that parts have.
    pub(crate) const fn running(&self) -> usize {
        self.running
    }

    /// Whether this is the first item that is not over.
    pub(crate) const fn is_front(&self, index: u64) -> bool {
        self.front == index
    }

    /// Adds the next item, which is to be run.
    pub(crate) fn add(&mut self, entry: Entry) {
        let pending = Box::new(Pending::new(entry));
        self.count_waiting(&pending);
        self.bytes += pending.weight();
        self.slots.push_back(Slot::Waiting(pending));
    }

    /// Adds the next item, which is over already: with its result, or with none to hand on.
    pub(crate) fn add_over(&mut self, finished: Option<Finished>, over: &mut Vec<Finished>) {
        self.slots.push_back(Slot::Over);
        let index = self.front + self.slots.len() as u64 - 1;
        match finished {
            Some(finished) => self.settle(index, finished, over),
            None => self.advance(over),
        }
    }

    /// The index of the next item for a part of several.
    pub(crate) fn next_fresh(&mut self) -> Option<u64> {
        while let Some(slot) = self.slot(self.fresh) {
            if matches!(slot, Slot::Waiting(_)) && !self.single.contains(&self.fresh) {
                return Some(self.fresh);
            }
            self.fresh += 1;
        }
        None
    }

    /// The index of the next item that goes alone.
    pub(crate) fn next_single(&self) -> Option<u64> {
        self.single.first().copied()
    }

    /// Gives an item to a part.
    pub(crate) fn take(&mut self, index: u64) -> Option<&mut Pending> {
        self.single.remove(&index);
        let at = self.position(index)?;
        let slot = std::mem::replace(&mut self.slots[at], Slot::Over);
        let Slot::Waiting(pending) = slot else {
            self.slots[at] = slot;
            return None;
        };
        self.waiting -= 1;
        self.waiting_bytes -= pending.weight();
        self.running += 1;
        self.slots[at] = Slot::Running(pending);
        match &mut self.slots[at] {
            Slot::Running(pending) => Some(pending),
            _ => None,
        }
    }

    /// Takes an item back from a part, to be run again, alone if `is_single`.
    pub(crate) fn put_back(&mut self, index: u64, is_single: bool, change: impl FnOnce(&mut Pending)) {
        let Some(at) = self.position(index) else { return };
        let slot = std::mem::replace(&mut self.slots[at], Slot::Over);
        let Slot::Running(mut pending) = slot else {
            self.slots[at] = slot;
            return;
        };
        change(&mut pending);
        self.running -= 1;
        self.count_waiting(&pending);
        self.slots[at] = Slot::Waiting(pending);
        if is_single {
            self.single.insert(index);
        } else {
            self.fresh = self.fresh.min(index);
        }
    }

    /// The item that a part has.
    pub(crate) fn running_item(&self, index: u64) -> Option<&Pending> {
        match self.slot(index)? {
            Slot::Running(pending) => Some(pending),
            _ => None,
        }
    }

    /// Counts bytes that parts hold, or no longer hold.
    pub(crate) fn hold(&mut self, more: usize, less: usize) {
        self.bytes = (self.bytes + more).saturating_sub(less);
    }

    /// Ends an item that a part has, and adds what can be handed on to `over`.
    pub(crate) fn finish(&mut self, index: u64, finished: Finished, over: &mut Vec<Finished>) {
        let Some(at) = self.position(index) else { return };
        if let Slot::Running(pending) = &self.slots[at] {
            self.running -= 1;
            self.bytes -= pending.weight();
            self.slots[at] = Slot::Over;
            self.settle(index, finished, over);
        }
    }

    fn settle(&mut self, index: u64, finished: Finished, over: &mut Vec<Finished>) {
        if !self.is_ordered {
            over.push(finished);
        } else if let Some(at) = self.position(index) {
            self.bytes += finished.weight();
            self.slots[at] = Slot::Ready(Box::new(finished));
        }
        self.advance(over);
    }

    /// Hands on what is over at the front, until `over` has enough of it.
    pub(crate) fn advance(&mut self, over: &mut Vec<Finished>) {
        while over.len() < MOST_AT_ONCE
            && let Some(Slot::Ready(_) | Slot::Over) = self.slots.front()
        {
            if let Some(Slot::Ready(finished)) = self.slots.pop_front() {
                self.bytes -= finished.weight();
                over.push(*finished);
            }
            self.front += 1;
        }
        self.fresh = self.fresh.max(self.front);
        // A window that was wide gives its memory back.
        if self.slots.capacity() > 4096 && self.slots.len() * 8 < self.slots.capacity() {
            self.slots.shrink_to(self.slots.len() * 2);
        }
    }

    fn count_waiting(&mut self, pending: &Pending) {
        self.waiting += 1;
        self.waiting_bytes += pending.weight();
    }

    fn position(&self, index: u64) -> Option<usize> {
        let at = usize::try_from(index.checked_sub(self.front)?).ok()?;
        (at < self.slots.len()).then_some(at)
    }

    fn slot(&self, index: u64) -> Option<&Slot> {
        self.slots.get(self.position(index)?)
    }
}
