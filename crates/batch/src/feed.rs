//! Reads the input on a thread of its own, and compares it with the results that are there.

use tokio::sync::{mpsc, oneshot};

use crate::{
    error::BatchError,
    input::{Entries, Entry},
    ledger::{Key, Kind},
    results::{Body, Finished, KeptIndex, Ran, Spare},
};

/// An item of the input, for the batch.
#[derive(Debug)]
pub(crate) enum Fed {
    /// It is to be run.
    Run(Entry),
    /// Its result is known.
    Finished(Finished),
    /// Its result is in its place already. Whether it is a success.
    InPlace(bool),
}

/// How reading ended.
#[derive(Debug, Default)]
pub(crate) struct FeedEnd {
    /// The first line with a carriage return that belongs to its item.
    pub(crate) carriage_return: Option<u64>,
    /// Which results of earlier processes are wanted.
    pub(crate) kept: Option<KeptIndex>,
}

/// What reads the input.
pub(crate) struct Feed {
    /// The items.
    pub(crate) entries: Entries,
    /// An item that was read before.
    pub(crate) first: Option<Entry>,
    /// Results that do not yet have their place.
    pub(crate) spare: Option<Spare>,
    /// Results that stay where they are.
    pub(crate) kept: Option<KeptIndex>,
    /// Whether failures of earlier processes count.
    pub(crate) with_failed: bool,
    /// Whether equal items share a result.
    pub(crate) shares: bool,
}

/// A feed that was started.
pub(crate) struct StartedFeed {
    /// The items, several at once.
    pub(crate) items: mpsc::Receiver<Vec<Fed>>,
    /// How it ended, once `items` is over.
    pub(crate) end: oneshot::Receiver<Result<FeedEnd, BatchError>>,
}

/// Maximum number of items in a message.
const MOST_ITEMS: usize = 256;
/// Size of the items in a message, in bytes, from which on it is sent.
const MOST_BYTES: usize = 256 << 10;

impl Feed {
    /// Starts the thread. It ends when the receiver is dropped.
    ///
    /// # Errors
    /// [`BatchError::Thread`].
    pub(crate) fn start(self) -> Result<StartedFeed, BatchError> {
        let (sender, items) = mpsc::channel(4);
        let (ended, end) = oneshot::channel();
        let run = move || {
            // The batch may be gone.
            let _ = ended.send(self.run(&sender));
        };
        let thread = std::thread::Builder::new().name("mer-batch-read".to_owned());
        thread.spawn(run).map_err(|source| BatchError::Thread { source })?;
        Ok(StartedFeed { items, end })
    }

    fn run(mut self, sender: &mpsc::Sender<Vec<Fed>>) -> Result<FeedEnd, BatchError> {
        let (mut message, mut bytes) = (Vec::new(), 0);
        let outcome = loop {
            let next = match self.first.take() {
                Some(first) => Ok(Some(first)),
                None => self.entries.next(),
            };
            let fed = match next.and_then(|entry| entry.map(|entry| self.fed(entry)).transpose()) {
                Ok(Some(fed)) => fed,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            bytes += match &fed {
                Fed::Run(entry) => entry.item.input.len(),
                Fed::Finished(finished) => finished.weight(),
                Fed::InPlace(_) => 0,
            };
            message.push(fed);
            if message.len() >= MOST_ITEMS || bytes >= MOST_BYTES || self.entries.may_wait() {
                // A change is noticed long before the end of a large file.
                if let Err(error) = self.entries.source().check() {
                    break Err(error);
                }
                if sender.blocking_send(std::mem::take(&mut message)).is_err() {
                    break Ok(());
                }
                bytes = 0;
            }
        };
        if !message.is_empty() && outcome.is_ok() {
            // The batch may be gone.
            let _ = sender.blocking_send(message);
        }
        outcome.map(|()| FeedEnd { carriage_return: self.entries.carriage_return(), kept: self.kept })
    }

    /// Decides what becomes of an item.
    fn fed(&mut self, mut entry: Entry) -> Result<Fed, BatchError> {
        let key = Key { identity: entry.item.identity, occurrence: entry.item.occurrence };
        let id = entry.id.as_deref();
        if let Some(kept) = &mut self.kept
            && let Some(kind) = kept.find(id, key, entry.content, self.with_failed)?
        {
            return Ok(Fed::InPlace(kind == Kind::Done));
        }
        let spare = match &mut self.spare {
            Some(spare) => spare.get(key, entry.content, self.with_failed)?,
            None => None,
        };
        let shared = entry.first.filter(|_| self.shares);
        let body = match (spare, shared, entry.fault.take()) {
            (Some(kept), ..) => Body::Kept(kept.kind, kept.result),
            (None, Some(first), _) => Body::Shared(first),
            (None, None, Some(fault)) => Body::Ran(Ran::faulty(fault)),
            (None, None, None) => return Ok(Fed::Run(entry)),
        };
        Ok(Fed::Finished(finished(entry, body)))
    }
}

/// The result of an item.
pub(crate) fn finished(entry: Entry, body: Body) -> Finished {
    Finished {
        index: entry.item.index,
        key: Key { identity: entry.item.identity, occurrence: entry.item.occurrence },
        content: entry.content,
        id: entry.id,
        line: entry.line,
        body,
    }
}
