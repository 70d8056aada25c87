//! The task of a batch.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::outage::Outage;
use crate::{
    error::BatchError,
    feed::{Fed, FeedEnd},
    options::Options,
    prepare::Prepared,
    progress::{BatchEnd, Event, Observer, Progress},
    results::{Destination, Finished, Write, WriteQueue},
    runner::{PartEnd, PartReply, Runner},
    schedule::{MOST_TIME, MOST_TIME_OF_STREAM, PartRun, Tally, Window},
    stop::{PATIENCE, Stop, StopLevel},
};

/// Size of everything that is held at once, in bytes. Beyond it only the first item that is not over goes on.
pub(super) const MOST_BYTES: usize = 12 << 20;
/// Size of the items that wait, in bytes, and their number, below which more are read.
const MOST_WAITING: (usize, usize) = (4 << 20, 4096);
/// Time between two reports of progress.
const PROGRESS: Duration = Duration::from_millis(200);
/// Time between two syncs of what was written.
const SYNC: Duration = Duration::from_secs(1);
/// Pause between two looks at the time.
const TICK: Duration = Duration::from_millis(50);

/// The task of a batch.
pub(crate) struct Coordinator {
    pub(super) options: Options,
    pub(super) runner: Arc<dyn Runner>,
    pub(super) capacity: watch::Receiver<usize>,
    pub(super) observer: Observer,
    /// The request to stop, from outside.
    pub(super) asked: Stop,
    /// What the parts see.
    pub(super) stop: Stop,
    pub(super) checks_format: bool,
    /// How long a part is fed.
    pub(super) part_time: Duration,
    pub(super) window: Window,
    pub(super) tally: Tally,
    pub(super) parts: BTreeMap<u64, PartRun>,
    pub(super) tasks: JoinSet<(u64, PartEnd)>,
    pub(super) next_part: u64,
    pub(super) replies: (mpsc::Sender<PartReply>, mpsc::Receiver<PartReply>),
    /// The rest of the input; `None` once it is over.
    pub(super) feed: Option<mpsc::Receiver<Vec<Fed>>>,
    pub(super) feed_end: Option<oneshot::Receiver<Result<FeedEnd, BatchError>>>,
    pub(super) fed: FeedEnd,
    pub(super) writes: Option<mpsc::Sender<Write>>,
    pub(super) writer_end: oneshot::Receiver<Result<(), BatchError>>,
    /// Results that are to be written.
    pub(super) over: Vec<Finished>,
    pub(super) queue: WriteQueue,
    /// Indices of failed items, where equal items share a result.
    pub(super) failed_firsts: HashSet<u64>,
    pub(super) outage: Outage,
    pub(super) end: Option<BatchEnd>,
    /// When it was asked to end at once.
    pub(super) ended_at: Option<Instant>,
    pub(super) last_progress: Instant,
    pub(super) last_sync: Instant,
}

impl Coordinator {
    /// Starts the threads of a batch that is ready.
    ///
    /// # Errors
    /// [`BatchError::Thread`].
    pub(crate) fn new(
        options: Options,
        prepared: Prepared,
        runner: Arc<dyn Runner>,
        asked: Stop,
        observer: Observer,
    ) -> Result<Self, BatchError> {
        let mut tally = Tally::new(prepared.total);
        tally.keep(prepared.in_place.0, prepared.in_place.1);
        let checks_format = !matches!(prepared.writer.destination, Destination::Folder(_));
        let is_stream = matches!(prepared.writer.destination, Destination::Stream(_) | Destination::Special(_));
        let writer = prepared.writer.start()?;
        let feed = prepared.feed.start()?;
        let now = Instant::now();
        Ok(Self {
            capacity: runner.capacity(),
            runner,
            observer,
            asked,
            stop: Stop::default(),
            checks_format,
            part_time: if is_stream { MOST_TIME_OF_STREAM } else { MOST_TIME },
            window: Window::new(prepared.first_index, !options.unordered),
            tally,
            parts: BTreeMap::new(),
            tasks: JoinSet::new(),
            next_part: 0,
            replies: mpsc::channel(1024),
            feed: Some(feed.items),
            feed_end: Some(feed.end),
            fed: FeedEnd::default(),
            writes: Some(writer.writes),
            writer_end: writer.end,
            over: Vec::new(),
            queue: writer.queue,
            failed_firsts: HashSet::new(),
            outage: Outage::new(options.unreachable_bound),
            end: None,
            ended_at: None,
            last_progress: now,
            last_sync: now,
            options,
        })
    }

    /// Runs the batch. Returns its counts, and why it ended.
    pub(crate) async fn run(mut self) -> (Progress, BatchEnd) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut replies = Vec::new();
        let mut has_capacity_news = true;
        loop {
            self.pump();
            self.hand_over();
            if self.is_over() {
                break;
            }
            let reads = self.feed.is_some() && self.end.is_none() && self.wants_items();
            let begun = self.stop.level();
            let has_results = !self.over.is_empty();
            tokio::select! {
                _ = self.replies.1.recv_many(&mut replies, 256) => {
                    // Once for all of them: reading the clock takes longer than taking a reply.
                    let now = Instant::now();
                    replies.drain(..).for_each(|reply| self.take_reply(reply, now));
                }
                Some(joined) = self.tasks.join_next() => {
                    // Its replies were sent before it ended.
                    while let Ok(reply) = self.replies.1.try_recv() {
                        self.take_reply(reply, Instant::now());
                    }
                    match joined {
                        Ok((part, end)) => self.end_part(part, end),
                        Err(_) => self.halt(BatchEnd::Failed(BatchError::TaskLost), StopLevel::End),
                    }
                }
                items = receive(&mut self.feed), if reads => self.take_items(items).await,
                level = next_level(&self.asked, begun) => {
                    self.ended_at = (level == StopLevel::End).then(Instant::now);
                    self.halt(BatchEnd::Stopped(level), level);
                }
                changed = self.capacity.changed(), if has_capacity_news => has_capacity_news = changed.is_ok(),
                end = &mut self.writer_end, if self.writes.is_some() => self.lose_writer(end.unwrap_or(Err(BatchError::TaskLost))),
                () = has_capacity(self.writes.as_ref()), if has_results => {}
                _ = tick.tick() => self.tick(),
            }
        }
        self.finish().await
    }

    /// Whether nothing is left to do.
    fn is_over(&self) -> bool {
        let is_stopped = self.end.is_some() && self.tasks.is_empty();
        let is_complete = self.feed.is_none() && self.window.is_empty() && self.tasks.is_empty();
        // Results that are not taken are given up.
        let is_outlasted = is_stopped && self.ended_at.is_some_and(|ended| ended.elapsed() >= PATIENCE);
        (is_stopped || is_complete) && (self.over.is_empty() || self.writes.is_none() || is_outlasted)
    }

    /// Ends the batch: nothing new is started.
    pub(super) fn halt(&mut self, end: BatchEnd, level: StopLevel) {
        self.stop.raise(level);
        if self.end.is_none() {
            self.end = Some(end);
        }
        self.parts.values_mut().for_each(PartRun::close);
    }

    fn lose_writer(&mut self, end: Result<(), BatchError>) {
        self.writes = None;
        self.over.clear();
        let error = end.err().unwrap_or(BatchError::TaskLost);
        self.halt(BatchEnd::Failed(error), StopLevel::End);
    }

    /// Whether more items are to be read.
    fn wants_items(&self) -> bool {
        let (bytes, count) = self.window.waiting();
        bytes < MOST_WAITING.0 && count < MOST_WAITING.1 && self.bytes() < MOST_BYTES
    }

    /// Size of everything that is held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.window.bytes() + self.queue.bytes() + self.over.iter().map(Finished::weight).sum::<usize>()
    }

    /// Hands results to the thread that writes, unless it has enough to do.
    fn hand_over(&mut self) {
        let Some(writes) = self.writes.as_ref().filter(|_| !self.over.is_empty()) else { return };
        if let Ok(permit) = writes.clone().try_reserve_owned() {
            self.count_shared();
            permit.send(self.queue.message(std::mem::take(&mut self.over)));
            self.window.advance(&mut self.over);
        }
    }

    /// Looks at the time: what is due is ended, written, told.
    fn tick(&mut self) {
        let now = Instant::now();
        self.parts.values_mut().for_each(|part| part.close_if_due(now));
        if self.parts.is_empty()
            && *self.capacity.borrow() == 0
            && !self.window.is_empty()
            && !self.outage.is_pausing(now)
        {
            self.miss_servers(now, "no server has a free place", None);
        }
        if now.duration_since(self.last_progress) >= PROGRESS {
            self.last_progress = now;
            self.tally.tick(now);
            (self.observer)(Event::Progress(self.progress()));
        }
        if now.duration_since(self.last_sync) >= SYNC
            && let Some(writes) = &self.writes
            && writes.try_send(Write::Sync).is_ok()
        {
            self.last_sync = now;
        }
    }

    fn progress(&self) -> Progress {
        self.tally.progress(self.window.running() as u64, self.parts.len() as u64)
    }

    /// Waits until everything is written.
    async fn finish(mut self) -> (Progress, BatchEnd) {
        if let Some(writes) = self.writes.take() {
            let (is_complete, kept, writer_end) = (self.end.is_none(), self.fed.kept.take(), &mut self.writer_end);
            let writing = async {
                if is_complete {
                    // Fails if the writer has ended, which its own outcome explains.
                    let _ = writes.send(Write::Complete(kept)).await;
                }
                drop(writes);
                writer_end.await.unwrap_or(Err(BatchError::TaskLost))
            };
            tokio::select! {
                biased;
                written = writing => if let Err(error) = written {
                    self.end = Some(BatchEnd::Failed(error));
                },
                () = self.asked.outlasted(StopLevel::End) => self.end = Some(BatchEnd::Stopped(StopLevel::End)),
            }
        }
        self.tally.tick(Instant::now());
        let progress = self.progress();
        (self.observer)(Event::Progress(progress.clone()));
        (progress, self.end.unwrap_or(BatchEnd::Complete))
    }
}

/// The next message of the input; nothing at its end.
async fn receive(feed: &mut Option<mpsc::Receiver<Vec<Fed>>>) -> Option<Vec<Fed>> {
    match feed {
        Some(feed) => feed.recv().await,
        None => None,
    }
}

/// Waits until the thread that writes takes more.
async fn has_capacity(writes: Option<&mpsc::Sender<Write>>) {
    match writes {
        // The permit is given back: what is written is decided afterwards.
        Some(writes) => drop(writes.reserve().await),
        None => std::future::pending().await,
    }
}

/// Waits until a more urgent end is asked for than the one that was begun.
async fn next_level(asked: &Stop, begun: StopLevel) -> StopLevel {
    match begun {
        StopLevel::None => asked.reached(StopLevel::Finish).await,
        StopLevel::Finish => asked.reached(StopLevel::End).await,
        StopLevel::End => std::future::pending().await,
    }
    asked.level()
}
