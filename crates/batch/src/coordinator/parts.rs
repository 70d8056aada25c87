//! Parts: which are started, what they are fed, and what becomes of their items.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use mer_core::{FailureKind, Status};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::state::{Coordinator, MOST_BYTES};
use crate::{
    error::BatchError,
    progress::{BatchEnd, Event},
    results::Ran,
    runner::{Part, PartCause, PartEnd, PartReply, ReplySender},
    schedule::{Culprit, PartRun, verdict},
    stop::StopLevel,
};

/// Number of processes that may die while they serve an item, before it fails by itself.
const MOST_DEATHS: u32 = 2;
/// Number of attempts from which on a death counts also if the process was not sent the item: it may die at every start.
const MOST_UNSENT: u32 = 8;

impl Coordinator {
    /// Starts parts where there is a place for them, and feeds those that run.
    pub(super) fn pump(&mut self) {
        if self.end.is_some() {
            return;
        }
        let is_full = self.bytes() >= MOST_BYTES;
        let places = (*self.capacity.borrow()).min(self.options.jobs.unwrap_or(usize::MAX));
        while self.parts.len() < places && !self.outage.is_pausing(Instant::now()) {
            let single = self.window.next_single();
            let Some(index) = single.or_else(|| self.window.next_fresh()) else { break };
            if is_full && !self.window.is_front(index) {
                break;
            }
            let is_single = single.is_some() || self.options.record_each || !self.runner.takes_several();
            self.start_part(index, is_single);
        }
        while self.feed_each(is_full) {}
        self.close_parts(places, is_full);
    }

    /// Starts a part with its first item.
    fn start_part(&mut self, index: u64, is_single: bool) {
        let Some(pending) = self.window.take(index) else { return };
        let (request_uid, attempt) = if is_single {
            pending.attempts += 1;
            (*pending.request_uid.get_or_insert_with(Uuid::now_v7), pending.attempts)
        } else {
            (Uuid::now_v7(), 1)
        };
        let (item, avoid) = (pending.entry.item.clone(), pending.avoid.as_deref().map(str::to_owned));
        let pipeline = self.options.pipeline.max(1);
        let (feed, items) = mpsc::channel(pipeline);
        let mut run = PartRun::new(request_uid, is_single, feed, self.part_time);
        run.send(item);
        if is_single {
            run.close();
        }
        let number = self.next_part;
        self.next_part += 1;
        let future = self.runner.run_part(Part {
            batch_uid: self.options.batch_uid,
            request_uid,
            attempt,
            is_single,
            avoid,
            pipeline,
            items,
            replies: ReplySender::new(number, self.replies.0.clone()),
            stop: self.stop.clone(),
        });
        self.parts.insert(number, run);
        self.tasks.spawn(async move { (number, future.await) });
    }

    /// Sends one item to each part that takes one. Returns whether there was any.
    fn feed_each(&mut self, is_full: bool) -> bool {
        let mut is_any = false;
        for part in self.parts.values_mut().filter(|part| part.takes_more(self.options.pipeline)) {
            let Some(index) = self.window.next_fresh().filter(|index| !is_full || self.window.is_front(*index)) else {
                return is_any;
            };
            let Some(pending) = self.window.take(index) else { return is_any };
            if part.send(pending.entry.item.clone()) {
                is_any = true;
            } else {
                self.window.put_back(index, false, |_| {});
            }
        }
        is_any
    }

    /// Ends the feeding of parts that are in the way of others, or that get nothing more.
    fn close_parts(&mut self, places: usize, is_full: bool) {
        let is_dry = self.feed.is_none() && self.window.next_fresh().is_none();
        let is_wanted = self.window.next_single().is_some() && self.parts.len() >= places;
        let is_closing = self.parts.values().any(|part| !part.is_fed());
        let mut closes_one = is_wanted && !is_closing;
        for part in self.parts.values_mut().filter(|part| part.is_fed()) {
            if is_dry || closes_one || (is_full && !part.replies.is_empty()) {
                part.close();
                closes_one = false;
            }
        }
    }

    /// Takes the reply to an item, which came now.
    pub(super) fn take_reply(&mut self, reply: PartReply, now: Instant) {
        if let Some(part) = self.parts.get_mut(&reply.part) {
            let size = part.reply(reply.reply, now);
            self.window.hold(size, 0);
        }
    }

    /// Takes the end of a part: its results count, or its items are run again.
    pub(super) fn end_part(&mut self, number: u64, end: PartEnd) {
        let Some(mut part) = self.parts.remove(&number) else { return };
        self.window.hold(0, part.reply_bytes);
        let verdict = verdict(&part, &end);
        let server: Option<Arc<str>> = end.server.as_deref().map(Arc::from);
        let ran = |status, output, message: &str, run_ms| Ran {
            status,
            output,
            message: message.to_owned(),
            request_uid: Some(part.request_uid),
            attempt: end.attempt,
            server: server.clone(),
            run_ms,
        };
        let replies = std::mem::take(&mut part.replies);
        for (index, (output, run_ms)) in part.sent.iter().zip(replies).take(verdict.counted) {
            self.finish_item(*index, ran(Status::Succeeded, output, "", Some(run_ms)));
        }
        for (at, index) in part.sent.iter().enumerate().skip(verdict.counted) {
            let fails = match verdict.culprit {
                Culprit::Died(culprit) if culprit == at => self.is_dead(*index, end.taken),
                Culprit::Failed(culprit) if culprit == at => !self.may_try_again(*index, &end),
                _ => {
                    let is_single = part.is_single || (verdict.one_by_one && at < end.taken as usize);
                    self.window.put_back(*index, is_single, |_| {});
                    continue;
                }
            };
            if fails {
                let (status, message) = failure(&end);
                self.finish_item(*index, ran(status, Bytes::new(), message, None));
            } else {
                self.window.put_back(*index, true, |pending| {
                    let is_death = matches!(verdict.culprit, Culprit::Died(_));
                    pending.deaths += u32::from(is_death && is_counted(pending.attempts, end.taken));
                    pending.failures += u32::from(!is_death);
                    pending.avoid = server.clone();
                });
            }
        }
        self.note_end(end);
        self.check_halt();
    }

    /// Whether an item fails because one more process died while it served the item.
    fn is_dead(&self, index: u64, taken: u32) -> bool {
        let is_dead =
            |deaths, attempts| is_counted(attempts, taken) && deaths + 1 >= MOST_DEATHS + self.options.retries;
        self.window.running_item(index).is_some_and(|pending| is_dead(pending.deaths, pending.attempts))
    }

    /// Whether an item that failed is run again.
    fn may_try_again(&self, index: u64, end: &PartEnd) -> bool {
        let failures = self.window.running_item(index).map_or(0, |pending| pending.failures);
        end.is_retryable && failures < self.options.retries
    }

    /// Takes note of what the end of a part says about the servers.
    fn note_end(&mut self, end: PartEnd) {
        match end.cause {
            PartCause::Fatal => {
                let (kind, message, hint) = (end.kind.unwrap_or(FailureKind::Bug), end.message, end.hint);
                self.halt(BatchEnd::Failed(BatchError::Fatal { kind, message, hint }), StopLevel::End);
            }
            PartCause::Unreachable | PartCause::Cancelled if self.end.is_none() => {
                self.miss_servers(Instant::now(), &end.message, end.hint.as_deref());
            }
            PartCause::Unreachable | PartCause::Cancelled => {}
            _ => self.outage.clear(),
        }
    }

    /// Takes note that no server could be reached.
    pub(super) fn miss_servers(&mut self, now: Instant, message: &str, hint: Option<&str>) {
        match self.outage.failed(now, self.parts.is_empty(), message, hint) {
            Ok(true) => (self.observer)(Event::Waiting { message: message.to_owned() }),
            Ok(false) => {}
            Err(error) => self.halt(BatchEnd::Failed(error), StopLevel::Finish),
        }
    }
}

/// Whether a death is one of the first item of a part, of which the process was sent `taken` items.
const fn is_counted(attempts: u32, taken: u32) -> bool {
    taken > 0 || attempts >= MOST_UNSENT
}

/// Status and message of an item that failed.
fn failure(end: &PartEnd) -> (Status, &str) {
    let status = if end.status == Status::Succeeded { Status::Failed } else { end.status };
    let message =
        if end.message.is_empty() { "the number of replies is not that of the items" } else { end.message.as_str() };
    (status, message)
}
