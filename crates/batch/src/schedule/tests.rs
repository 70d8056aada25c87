//! What counts of a part, and the order of the window.

use std::time::Instant;

use bytes::Bytes;
use mer_core::Status;
use proptest::prelude::*;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{
    part_run::{Culprit, MOST_TIME, PartRun, Verdict, verdict},
    window::Window,
};
use crate::{
    Identity, Item, ItemReply, PartCause, PartEnd,
    input::Entry,
    ledger::Key,
    results::{Body, Finished, Ran},
};

fn item(index: u64) -> Item {
    Item { index, identity: Identity([0; 16]), occurrence: 0, input: Bytes::from_static(b"x") }
}

fn entry(index: u64) -> Entry {
    Entry { item: item(index), line: index + 1, id: None, content: [0; 8], fault: None, first: None }
}

/// A part that was sent items, and has replied to some, with so many ahead at most.
fn part(sent: u64, replies: u32, is_single: bool, ahead: usize) -> PartRun {
    let (feed, _items) = mpsc::channel(100);
    let mut part = PartRun::new(Uuid::nil(), is_single, feed, MOST_TIME);
    let mut given = 0;
    let mut reply = |part: &mut PartRun| {
        if given < replies {
            part.reply(ItemReply { position: given, output: Bytes::new(), run_ms: 0 }, Instant::now());
            given += 1;
        }
    };
    for index in 0..sent {
        if part.in_flight() >= ahead {
            reply(&mut part);
        }
        assert!(part.send(item(index)));
    }
    for _ in 0..replies {
        reply(&mut part);
    }
    part
}

fn end(cause: PartCause, taken: u32) -> PartEnd {
    PartEnd { cause, status: Status::Failed, ..PartEnd::done("here".to_owned(), 1, taken) }
}

#[test]
fn replies_count_if_their_number_is_right() {
    let counts = |sent, replies, taken, cause| verdict(&part(sent, replies, false, 4), &end(cause, taken));
    let all = |counted| Verdict { counted, culprit: Culprit::None, one_by_one: false };
    let none = Verdict { counted: 0, culprit: Culprit::None, one_by_one: true };
    assert_eq!(counts(5, 5, 5, PartCause::Done), all(5));
    // Items that the process was not sent are as they were.
    assert_eq!(counts(5, 3, 3, PartCause::Done), all(3));
    for (replies, taken) in [(4, 5), (5, 4), (0, 0)] {
        assert_eq!(counts(5, replies, taken, PartCause::Done), none, "{replies} of {taken}");
    }
    assert_eq!(counts(5, 5, 5, PartCause::ProtocolBroken), none);
    assert_eq!(counts(5, 3, 5, PartCause::Unreachable), all(0));
    let mut mixed = part(3, 2, false, 4);
    mixed.reply(ItemReply { position: 7, output: Bytes::new(), run_ms: 0 }, Instant::now());
    assert_eq!(verdict(&mixed, &end(PartCause::Done, 3)), none);
}

#[test]
fn where_a_process_dies_no_reply_counts() {
    let died = |sent, replies, ahead, taken| {
        let verdict = verdict(&part(sent, replies, false, ahead), &end(PartCause::ProcessDied, taken));
        assert!(verdict.one_by_one);
        (verdict.counted, verdict.culprit)
    };
    assert_eq!(died(6, 3, 4, 6), (0, Culprit::Died(3)));
    assert_eq!(died(4, 3, 1, 4), (0, Culprit::Died(3)));
    assert_eq!(died(4, 4, 1, 4), (0, Culprit::None));
    assert_eq!(died(1, 0, 1, 0), (0, Culprit::Died(0)));
    assert_eq!(died(6, 3, 4, 3), (0, Culprit::None));
    // An item of its own is to blame also where its process has replied, else it would never be over.
    let single = verdict(&part(1, 1, true, 1), &end(PartCause::ProcessDied, 1));
    assert_eq!((single.counted, single.culprit), (0, Culprit::Died(0)));
}

#[test]
fn a_failure_is_of_the_first_item_without_a_reply_and_a_timeout_of_an_item_that_is_alone() {
    let of = |cause, sent, replies, ahead, taken| {
        let verdict = verdict(&part(sent, replies, false, ahead), &end(cause, taken));
        (verdict.counted, verdict.culprit)
    };
    for (sent, replies, ahead) in [(6, 3, 4), (4, 3, 1), (4, 4, 1)] {
        assert_eq!(of(PartCause::TimedOut, sent, replies, ahead, 6), (0, Culprit::None));
    }
    assert_eq!(of(PartCause::TimedOut, 1, 0, 1, 1), (0, Culprit::Failed(0)));
    assert_eq!(of(PartCause::Failed, 6, 3, 4, 4), (3, Culprit::Failed(3)));
    assert_eq!(of(PartCause::Failed, 6, 3, 4, 3), (3, Culprit::Failed(3)));
    assert_eq!(of(PartCause::Failed, 6, 3, 4, 6), (0, Culprit::None));
    // An item that was not sent failed at nothing.
    let unsent = verdict(&part(1, 0, true, 1), &end(PartCause::Done, 0));
    assert_eq!((unsent.counted, unsent.culprit), (0, Culprit::None));
    for cause in [PartCause::Done, PartCause::ProtocolBroken, PartCause::TimedOut] {
        let verdict = verdict(&part(1, 0, true, 1), &end(cause, 1));
        assert_eq!((verdict.counted, verdict.culprit), (0, Culprit::Failed(0)));
    }
}

#[test]
fn the_first_item_goes_alone_and_slow_ones_are_not_sent_ahead() {
    let (feed, _items) = mpsc::channel(2000);
    let mut part = PartRun::new(Uuid::nil(), false, feed, MOST_TIME);
    assert!(part.takes_more(16) && part.send(item(0)) && !part.takes_more(16));
    let reply = |part: &mut PartRun, position, run_ms| {
        part.reply(ItemReply { position, output: Bytes::new(), run_ms }, Instant::now())
    };
    reply(&mut part, 0, 1);
    for index in 1..17 {
        assert!(part.takes_more(16) && part.send(item(index)));
    }
    assert!(!part.takes_more(16));
    for position in 1..17 {
        reply(&mut part, position, 9000);
    }
    assert!(part.takes_more(16) && part.send(item(17)) && !part.takes_more(16));
    for index in 18..1000 {
        assert!(part.send(item(index)));
        reply(&mut part, u32::try_from(index - 1).unwrap(), 0);
    }
    reply(&mut part, 999, 0);
    assert!(!part.takes_more(16) && !part.is_fed(), "1,000 items are enough, and the part ends at once");
}

fn finished(index: u64) -> Finished {
    let key = Key { identity: Identity([0; 16]), occurrence: 0 };
    Finished { index, key, content: [0; 8], id: None, line: 1, body: Body::Ran(Ran::faulty(String::new())) }
}

proptest! {
    #[test]
    fn the_window_keeps_the_order_and_forgets_nothing(
        steps in prop::collection::vec((0..4_u8, any::<prop::sample::Index>()), 0..300),
        is_ordered: bool,
    ) {
        let mut window = Window::new(7, is_ordered);
        let (mut next, mut over, mut running) = (7, Vec::new(), Vec::new());
        for (step, at) in steps {
            match step {
                0 => {
                    window.add(entry(next));
                    next += 1;
                }
                1 => if let Some(index) = window.next_single().or_else(|| window.next_fresh()) {
                    prop_assert!(window.take(index).is_some());
                    running.push(index);
                }
                2 if !running.is_empty() => {
                    let index = running.swap_remove(at.index(running.len()));
                    window.finish(index, finished(index), &mut over);
                }
                3 if !running.is_empty() => {
                    let index = running.swap_remove(at.index(running.len()));
                    window.put_back(index, index % 2 == 0, |pending| pending.deaths += 1);
                }
                _ => {}
            }
            prop_assert_eq!(window.running(), running.len());
        }
        while let Some(index) = window.next_single().or_else(|| window.next_fresh()) {
            window.take(index);
            running.push(index);
        }
        for index in running {
            window.finish(index, finished(index), &mut over);
        }
        prop_assert!(window.is_empty() && window.bytes() == 0 && window.waiting() == (0, 0));
        let mut indices: Vec<u64> = over.iter().map(|finished| finished.index).collect();
        if !is_ordered {
            indices.sort_unstable();
        }
        prop_assert_eq!(indices, (7..next).collect::<Vec<_>>());
    }
}
