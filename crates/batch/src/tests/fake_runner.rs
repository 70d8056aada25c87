//! A runner without processes. What an item says is what happens to it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use mer_core::{FailureKind, Status};
use tokio::sync::watch;

use crate::{Item, ItemReply, Part, PartCause, PartEnd, PartFuture, Runner, StopLevel};

/// What happened so far, shared by all parts.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Number of times that each input was sent to a process.
    pub(super) sent: Mutex<HashMap<Bytes, u32>>,
    /// Number of parts.
    pub(super) parts: AtomicUsize,
    /// Most parts at once.
    pub(super) most_parts: AtomicUsize,
    /// Parts that run now.
    running: AtomicUsize,
    /// Size of the largest part, in items.
    pub(super) most_items: AtomicUsize,
    /// Number of the parts to come that find no server.
    pub(super) outage: AtomicUsize,
    /// Whether items that wait for it go on.
    pub(super) gate: watch::Sender<bool>,
    /// Attempts and avoided servers of single parts.
    pub(super) singles: Mutex<Vec<(Bytes, u32, Option<String>)>>,
}

/// A runner without processes.
#[derive(Debug, Clone)]
pub(super) struct FakeRunner {
    pub(super) log: Arc<Log>,
    capacity: watch::Receiver<usize>,
    takes_several: bool,
}

impl FakeRunner {
    /// A runner with places for this many parts.
    pub(super) fn new(places: usize) -> Self {
        Self { log: Arc::default(), capacity: watch::channel(places).1, takes_several: true }
    }

    /// A runner whose number of places changes.
    pub(super) fn with_capacity(capacity: watch::Receiver<usize>) -> Self {
        Self { capacity, ..Self::new(0) }
    }

    /// A runner whose processes serve one request.
    pub(super) fn oneshots(places: usize) -> Self {
        Self { takes_several: false, ..Self::new(places) }
    }

    /// Number of times that an input was sent to a process.
    pub(super) fn times(&self, input: &str) -> u32 {
        self.log.sent.lock().unwrap().get(input.as_bytes()).copied().unwrap_or(0)
    }
}

/// The answer to an input.
pub(super) fn answer(input: &[u8]) -> Vec<u8> {
    [b"<", input.to_ascii_uppercase().as_slice(), b">"].concat()
}

/// What happens to an item.
enum Fate {
    Reply(Vec<Bytes>),
    End(PartCause, &'static str, bool),
    /// The process died before it was sent the item.
    Unsent,
    Hang,
}

fn fate(input: &[u8], times: u32) -> Fate {
    let text = std::str::from_utf8(input).unwrap_or_default();
    let reply = || vec![Bytes::from(answer(input))];
    match text.split('-').next().unwrap_or_default() {
        "dies" => Fate::End(PartCause::ProcessDied, "the process died", false),
        "dies1" if times == 1 => Fate::End(PartCause::ProcessDied, "the process died", false),
        "unsent" => Fate::Unsent,
        "unsent4" if times <= 4 => Fate::Unsent,
        "fails" => Fate::End(PartCause::Failed, "exit code 3", false),
        "flaky" if times <= 2 => Fate::End(PartCause::Failed, "connection lost", true),
        "late" => Fate::End(PartCause::TimedOut, "no reply within 1 s", false),
        "fatal" => Fate::End(PartCause::Fatal, "the model is gone", false),
        "silent" => Fate::Reply(Vec::new()),
        "chatty" => Fate::Reply(vec![Bytes::from_static(b"a banner"), reply().remove(0)]),
        "chatty1" if times == 1 => Fate::Reply(vec![Bytes::from_static(b"a banner"), reply().remove(0)]),
        "lines" => Fate::Reply(vec![Bytes::from_static(b"one\ntwo")]),
        "hangs" => Fate::Hang,
        _ => Fate::Reply(reply()),
    }
}

fn ended(cause: PartCause, message: &str, taken: u32, attempt: u32) -> PartEnd {
    let (status, kind) = match cause {
        PartCause::Done => (Status::Succeeded, None),
        PartCause::TimedOut => (Status::Timeout, Some(FailureKind::Timeout)),
        PartCause::Cancelled => (Status::Cancelled, Some(FailureKind::Cancelled)),
        PartCause::Unreachable => (Status::Unreachable, Some(FailureKind::Unreachable)),
        _ => (Status::Failed, Some(FailureKind::ModelFailed)),
    };
    let message = message.to_owned();
    PartEnd { cause, status, kind, message, ..PartEnd::done("here".to_owned(), attempt, taken) }
}

impl FakeRunner {
    async fn run(self, mut part: Part) -> PartEnd {
        let running = self.log.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.log.most_parts.fetch_max(running, Ordering::SeqCst);
        self.log.parts.fetch_add(1, Ordering::SeqCst);
        let end = self.serve(&mut part).await;
        self.log.running.fetch_sub(1, Ordering::SeqCst);
        end
    }

    async fn serve(&self, part: &mut Part) -> PartEnd {
        let is_out = |left: usize| left.checked_sub(1);
        if self.log.outage.fetch_update(Ordering::SeqCst, Ordering::SeqCst, is_out).is_ok() {
            return PartEnd { server: None, ..ended(PartCause::Unreachable, "no route", 0, part.attempt) };
        }
        let (mut taken, mut position) = (0, 0);
        // The first superfluous line shifts all that follow, as in a pipe.
        let mut lines = Vec::new();
        while let Some(item) = part.items.recv().await {
            taken += 1;
            self.log.most_items.fetch_max(taken as usize, Ordering::SeqCst);
            if part.is_single {
                let single = (item.input.clone(), part.attempt, part.avoid.clone());
                self.log.singles.lock().unwrap().push(single);
            }
            match self.fate_of(&item, &part.stop).await {
                Fate::End(cause, message, is_retryable) => {
                    return PartEnd { is_retryable, ..ended(cause, message, taken, part.attempt) };
                }
                Fate::Unsent => {
                    return ended(PartCause::ProcessDied, "the process died", taken - 1, part.attempt);
                }
                Fate::Hang => return ended(PartCause::Cancelled, "ended", taken, part.attempt),
                Fate::Reply(replies) => lines.extend(replies),
            }
            if !lines.is_empty() {
                let reply = ItemReply { position, output: lines.remove(0), run_ms: 0 };
                position += 1;
                if !part.replies.send(reply).await {
                    return ended(PartCause::Cancelled, "the batch is gone", taken, part.attempt);
                }
            }
        }
        if !lines.is_empty() {
            return ended(PartCause::ProtocolBroken, "it printed more than its answers", taken, part.attempt);
        }
        ended(PartCause::Done, "", taken, part.attempt)
    }

    async fn fate_of(&self, item: &Item, stop: &crate::Stop) -> Fate {
        let times = {
            let mut sent = self.log.sent.lock().unwrap();
            let times = sent.entry(item.input.clone()).or_insert(0);
            *times += 1;
            *times
        };
        match fate(&item.input, times) {
            Fate::Hang => {
                stop.reached(StopLevel::End).await;
                Fate::Hang
            }
            fate if item.input.starts_with(b"gated") => {
                // The sender is in the log.
                let _ = self.log.gate.subscribe().wait_for(|is_open| *is_open).await;
                fate
            }
            fate if item.input.starts_with(b"slow") => {
                tokio::time::sleep(Duration::from_millis(300)).await;
                fate
            }
            fate => fate,
        }
    }
}

impl Runner for FakeRunner {
    fn capacity(&self) -> watch::Receiver<usize> {
        self.capacity.clone()
    }

    fn takes_several(&self) -> bool {
        self.takes_several
    }

    fn run_part(&self, part: Part) -> PartFuture {
        Box::pin(self.clone().run(part))
    }
}
