//! Items as they are read, and as they are over.

use bytes::Bytes;
use mer_core::Status;

use super::state::Coordinator;
use crate::{
    error::BatchError,
    feed::Fed,
    halt::HaltWhen,
    ledger::{Key, Kind},
    options::Duplicates,
    progress::{BatchEnd, Event},
    results::{Body, Finished, Ran, fault_of_format},
    stop::StopLevel,
};

impl Coordinator {
    /// Takes items of the input; nothing at its end.
    pub(super) async fn take_items(&mut self, items: Option<Vec<Fed>>) {
        let Some(items) = items else {
            self.feed = None;
            return self.end_feed().await;
        };
        for item in items {
            match item {
                Fed::Run(entry) => self.window.add(entry),
                Fed::InPlace(is_success) => {
                    self.tally.keep(is_success.into(), (!is_success).into());
                    self.window.add_over(None, &mut self.over);
                }
                Fed::Finished(finished) => {
                    self.count_known(&finished);
                    self.window.add_over(Some(finished), &mut self.over);
                }
            }
        }
        self.check_halt();
    }

    async fn end_feed(&mut self) {
        let end = match self.feed_end.take() {
            Some(end) => end.await.unwrap_or(Err(BatchError::TaskLost)),
            None => Err(BatchError::TaskLost),
        };
        match end {
            Ok(fed) => {
                if let Some(line) = fed.carriage_return {
                    (self.observer)(Event::CarriageReturn { line });
                }
                self.fed = fed;
            }
            Err(error) => self.halt(BatchEnd::Failed(error), StopLevel::Finish),
        }
    }

    /// Counts an item whose result is known without running it.
    fn count_known(&mut self, finished: &Finished) {
        match &finished.body {
            Body::Ran(ran) => {
                self.tally.count(false, None);
                self.tell_failure(finished, &ran.message, false);
                self.note_failure(finished.index);
            }
            Body::Kept(kind, _) => {
                let is_success = *kind == Kind::Done;
                self.tally.keep(is_success.into(), (!is_success).into());
                if !is_success {
                    self.note_failure(finished.index);
                }
            }
            // It is counted when the first item with its identity is over.
            Body::Shared(_) => {}
        }
    }

    /// Counts the items that share a result, once it is known.
    pub(super) fn count_shared(&mut self) {
        if self.options.duplicates == Duplicates::Share {
            for finished in &self.over {
                if let Body::Shared(first) = finished.body {
                    self.tally.count(!self.failed_firsts.contains(&first), None);
                }
            }
        }
    }

    /// Ends an item that was run.
    pub(super) fn finish_item(&mut self, index: u64, mut ran: Ran) {
        let Some(pending) = self.window.running_item(index) else { return };
        let was_success = ran.is_success();
        if let (true, true, Some(fault)) =
            (was_success, self.checks_format, fault_of_format(self.options.output_format, &ran.output))
        {
            (ran.status, ran.message, ran.output) = (Status::Failed, fault.to_owned(), Bytes::new());
        }
        let entry = &pending.entry;
        let is_success = ran.is_success();
        let message = ran.message.clone();
        self.tally.count(is_success, ran.server.as_deref());
        let finished = Finished {
            index,
            key: Key { identity: entry.item.identity, occurrence: entry.item.occurrence },
            content: entry.content,
            id: entry.id.clone(),
            line: entry.line,
            body: Body::Ran(ran),
        };
        if !is_success {
            self.tell_failure(&finished, &message, was_success);
            self.note_failure(index);
        }
        self.window.finish(index, finished, &mut self.over);
    }

    fn note_failure(&mut self, index: u64) {
        if self.options.duplicates == Duplicates::Share {
            self.failed_firsts.insert(index);
        }
    }

    fn tell_failure(&self, finished: &Finished, message: &str, is_unfit: bool) {
        let (id, message) = (finished.id_text(), message.to_owned());
        (self.observer)(Event::ItemFailed { id, line: finished.line, message, is_unfit });
    }

    /// Ends the batch if its policy of halting says so.
    pub(super) fn check_halt(&mut self) {
        let (failed, succeeded) = self.tally.of_this_process();
        let total = self.tally.total;
        if let Some(halt) = self.options.halt.filter(|halt| halt.is_reached(failed, succeeded, total)) {
            let level = match halt.when {
                HaltWhen::Now => StopLevel::End,
                HaltWhen::Soon => StopLevel::Finish,
            };
            self.halt(BatchEnd::Halted(halt), level);
        }
    }
}
