//! Parts of batches: several items on one process.

mod common;

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use common::{Warm, command, eventually, runs, serve};
use mer_core::{Bound, Exit, Protocol, RunSpec};
use mer_meal::{Cancel, EndCause, ItemReply, PartEnd, PartItems, PartReplies, PartRequest};
use tokio::sync::mpsc;

const BOTH: [Protocol; 2] = [Protocol::Lines, Protocol::Token];

/// Items from a channel. Notes how many were taken.
struct Items(mpsc::Receiver<Bytes>, Arc<Mutex<usize>>);

impl PartItems for Items {
    fn poll_take(&mut self, context: &mut Context<'_>, limit: usize, payloads: &mut Vec<Bytes>) -> Poll<usize> {
        let polled = self.0.poll_recv_many(context, payloads, limit);
        if let Poll::Ready(count) = polled {
            *self.1.lock().expect("lock") += count;
        }
        polled
    }
}

/// Replies into a channel.
struct Replies(mpsc::Sender<ItemReply>);

impl PartReplies for Replies {
    fn send<'a>(&'a mut self, replies: &'a mut VecDeque<ItemReply>) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(async move {
            while let Some(reply) = replies.front() {
                if self.0.send(reply.clone()).await.is_err() {
                    return false;
                }
                replies.pop_front();
            }
            true
        })
    }
}

/// A part whose items come from a test.
struct Feed {
    items: mpsc::Sender<Bytes>,
    taken: Arc<Mutex<usize>>,
    replies: mpsc::Receiver<ItemReply>,
    part: (Items, Replies),
}

impl Feed {
    fn new() -> Self {
        let (items, received) = mpsc::channel(100);
        let (sender, replies) = mpsc::channel(100);
        let taken = Arc::default();
        Self { items, taken: Arc::clone(&taken), replies, part: (Items(received, taken), Replies(sender)) }
    }
}

async fn run(warm: &mut Warm, part: (Items, Replies), pipeline: usize, timeout_ms: u64, cancel: &Cancel) -> PartEnd {
    let (mut items, mut replies) = part;
    let timeout = Bound::After(Duration::from_millis(timeout_ms));
    let request = PartRequest { items: &mut items, replies: &mut replies, pipeline, timeout };
    warm.0.request_part(request, cancel).await
}

/// Sends these items at once. Returns how the part ended, and the replies.
async fn part(warm: &mut Warm, items: &[&str], timeout_ms: u64) -> (PartEnd, Vec<String>) {
    let Feed { items: sender, mut replies, part, .. } = Feed::new();
    let cancel = Cancel::new();
    let feed = async {
        for item in items {
            if sender.send(Bytes::from((*item).to_owned())).await.is_err() {
                break;
            }
        }
        drop(sender);
    };
    let collect = async {
        let mut all = Vec::new();
        while let Some(reply) = replies.recv().await {
            assert_eq!(reply.position as usize, all.len());
            all.push(String::from_utf8(reply.output.to_vec()).expect("text"));
        }
        all
    };
    let (ended, (), all) = tokio::join!(run(warm, part, 16, timeout_ms, &cancel), feed, collect);
    (ended, all)
}

async fn start(spec: &RunSpec) -> Warm {
    Warm::start(spec).await.expect("starts")
}

fn broken(ended: &PartEnd) -> &str {
    match &ended.end.cause {
        EndCause::ProtocolBroken(what) => what,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_process_answers_parts_of_many_items_in_their_order() {
    for protocol in BOTH {
        let mut warm = start(&serve(protocol, "0")).await;
        let items: Vec<String> = (0..1500).map(|number| format!("item {number}")).collect();
        for part_items in items.chunks(700) {
            let part_items: Vec<&str> = part_items.iter().map(String::as_str).collect();
            let (ended, replies) = part(&mut warm, &part_items, 20_000).await;
            assert_eq!((ended.end.cause, replies == part_items), (EndCause::Done, true));
            let count = u32::try_from(part_items.len()).expect("few");
            assert_eq!((ended.sent, ended.answered, ended.end.exit), (count, count, None));
            let bytes: usize = part_items.iter().map(|item| item.len() + 1).sum();
            assert_eq!(ended.end.stdout_bytes, bytes as u64);
        }
        assert!(warm.0.is_alive());
        let (ended, replies) = part(&mut warm, &[], 20_000).await;
        assert_eq!((ended.end.cause, ended.sent, replies.len()), (EndCause::Done, 0, 0));
        assert_eq!(warm.ask("after").await.1, "after\n");
    }
}

/// Pipes are full in both directions; nothing waits for the other end.
#[tokio::test]
async fn long_items_and_long_replies_do_not_block_each_other() {
    for protocol in BOTH {
        let mut warm = start(&serve(protocol, "0")).await;
        let long = "y".repeat(3_000_000);
        let items = [long.as_str(), "long 5000000", &long, "x", "long 5000000", &long, &long];
        let (ended, replies) = part(&mut warm, &items, 20_000).await;
        assert_eq!((ended.end.cause, replies.len()), (EndCause::Done, 7));
        for (item, reply) in items.iter().zip(&replies) {
            let begun = if item.starts_with("long") { 5_000_000 } else { 0 };
            assert_eq!((reply.len(), &reply[begun..] == *item), (begun + item.len(), true));
        }
    }
}

#[tokio::test]
async fn the_first_item_goes_alone_and_no_more_than_the_pipeline_go_ahead() {
    let mut warm = start(&serve(Protocol::Lines, "0")).await;
    let Feed { items, taken, mut replies, part } = Feed::new();
    let cancel = Cancel::new();
    let taken = || *taken.lock().expect("lock");
    let feed = async {
        for item in ["slow 300"].into_iter().chain(["slow 100"; 9]) {
            items.send(Bytes::from(item)).await.expect("sent");
        }
        common::eventually_async("the first item is taken", || taken() > 0).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(taken(), 1);
        for answered in 1..=10_usize {
            assert!(replies.recv().await.is_some());
            assert!(taken() <= answered + 4, "{answered} were answered, {} taken", taken());
        }
        assert_eq!(taken(), 10);
        drop(items);
    };
    let (ended, ()) = tokio::join!(run(&mut warm, part, 4, 20_000, &cancel), feed);
    assert_eq!((ended.end.cause, ended.answered), (EndCause::Done, 10));
}

#[tokio::test]
async fn a_process_that_dies_says_which_item_was_in_process() {
    for protocol in BOTH {
        let mut warm = start(&serve(protocol, "0")).await;
        let (ended, replies) = part(&mut warm, &["a", "b", "die", "c", "d"], 20_000).await;
        assert_eq!((ended.end.cause, ended.end.exit), (EndCause::Died, Some(Exit::Code(3))));
        assert_eq!(
            (replies.len(), ended.answered, ended.end.stderr_tail),
            (2, 2, b"Traceback: out of ideas\n".to_vec())
        );
        assert!((3..=5).contains(&ended.sent), "{}", ended.sent);
        assert!(!warm.0.is_alive());
    }
}

/// The bound of an item begins at the reply before it, and not when it was written.
#[tokio::test]
async fn an_item_that_hangs_is_timed_out_by_itself() {
    for protocol in BOTH {
        let mut warm = start(&serve(protocol, "0")).await;
        let begin = Instant::now();
        let items = ["slow 400", "slow 400", "slow 400", "slow 400", "hang", "x"];
        let (ended, replies) = part(&mut warm, &items, 1_000).await;
        assert!(matches!(ended.end.cause, EndCause::Timeout { .. }), "{:?}", ended.end.cause);
        assert_eq!((replies.len(), ended.answered), (4, 4));
        assert!(begin.elapsed() < Duration::from_secs(15));
        assert!(!warm.0.is_alive());
    }
}

#[tokio::test]
async fn a_process_that_prints_a_line_too_many_breaks_its_protocol() {
    for items in [&["two"][..], &["two", "b", "c"], &["a", "b", "two"], &["a", "two", "c", "d", "e"]] {
        let mut warm = start(&serve(Protocol::Lines, "0")).await;
        let (ended, _) = part(&mut warm, items, 20_000).await;
        assert!(broken(&ended).contains("print"), "{items:?}: {}", broken(&ended));
        assert!(!warm.0.is_alive());
    }
    // Between its tokens a reply may have any number of lines.
    let mut warm = start(&serve(Protocol::Token, "0")).await;
    assert_eq!(part(&mut warm, &["two", "b"], 20_000).await.0.end.cause, EndCause::Done);
}

/// The line comes after the reply to the last item.
#[tokio::test]
async fn a_process_that_is_not_quiet_at_the_end_breaks_its_protocol() {
    let mut warm = start(&serve(Protocol::Lines, "0")).await;
    assert_eq!(part(&mut warm, &["a"], 20_000).await.0.end.cause, EndCause::Done);
    let (ended, _) = part(&mut warm, &["slow 30", "late 20"], 20_000).await;
    assert!(broken(&ended).contains("`late` without being asked"), "{}", broken(&ended));
}

#[tokio::test]
async fn too_few_lines_are_a_timeout() {
    let mut warm = start(&serve(Protocol::Lines, "0")).await;
    let (ended, replies) = part(&mut warm, &["a", "mute", "b"], 700).await;
    assert!(matches!(ended.end.cause, EndCause::Timeout { .. }), "{:?}", ended.end.cause);
    assert_eq!((replies, ended.sent, ended.answered), (vec!["a".to_owned(), "b".to_owned()], 3, 2));
}

#[tokio::test]
async fn a_banner_is_no_reply() {
    let mut spec = serve(Protocol::Lines, "at-once");
    spec.argv.push("early".to_owned());
    let mut warm = start(&spec).await;
    let (ended, _) = part(&mut warm, &["a", "b", "c"], 20_000).await;
    assert!(broken(&ended).contains("print"), "{}", broken(&ended));
}

#[tokio::test]
async fn a_reply_that_is_too_long_is_refused() {
    let mut warm = start(&serve(Protocol::Lines, "0")).await;
    let (ended, replies) = part(&mut warm, &["a", "long 100000000", "b"], 60_000).await;
    assert!(broken(&ended).contains("longer than 64 MiB"), "{}", broken(&ended));
    assert_eq!(replies, ["a"]);
}

#[tokio::test]
async fn the_first_level_of_a_cancellation_finishes_what_was_fed() {
    let mut warm = start(&serve(Protocol::Lines, "0")).await;
    let Feed { items, taken, mut replies, part } = Feed::new();
    let cancel = Cancel::new();
    let feed = async {
        for _ in 0..20 {
            items.send(Bytes::from("slow 50")).await.expect("sent");
        }
        assert!(replies.recv().await.is_some());
        common::eventually_async("further items are taken", || *taken.lock().expect("lock") > 2).await;
        cancel.cancel();
        let mut answered = 1_u32;
        while replies.recv().await.is_some() {
            answered += 1;
        }
        answered
    };
    let (ended, answered) = tokio::join!(run(&mut warm, part, 4, 20_000, &cancel), feed);
    assert_eq!((ended.end.cause, ended.sent, ended.answered), (EndCause::Done, answered, answered));
    assert!((3..20).contains(&answered), "{answered}");
    assert!(warm.0.is_alive());
}

#[tokio::test]
async fn the_second_level_of_a_cancellation_ends_the_process() {
    let mut warm = start(&serve(Protocol::Lines, "0")).await;
    let pid = warm.0.pid();
    let Feed { items, mut replies, part, .. } = Feed::new();
    let cancel = Cancel::new();
    let feed = async {
        for item in ["a", "hang", "b"] {
            items.send(Bytes::from(item)).await.expect("sent");
        }
        assert!(replies.recv().await.is_some());
        cancel.cancel();
        cancel.cancel_now();
    };
    let (ended, ()) = tokio::join!(run(&mut warm, part, 4, 20_000, &cancel), feed);
    assert_eq!((ended.end.cause, ended.answered), (EndCause::Cancelled, 1));
    eventually("it is gone", || !runs(pid));
}

/// A reader that takes nothing holds the process back, and costs the items none of their time.
#[tokio::test]
async fn a_slow_reader_of_the_replies_is_no_timeout() {
    // The third reply comes while the second one waits for the reader.
    let script = "for wait in 0 0 0.2; do read -r a; sleep $wait; echo $a; done; while read -r a; do echo $a; done";
    let spec = RunSpec { protocol: Protocol::Lines, ..command(&["sh", "-c", script]) };
    let mut warm = start(&spec).await;
    let (items, received) = mpsc::channel(100);
    let (sender, mut replies) = mpsc::channel(1);
    let part = (Items(received, Arc::default()), Replies(sender));
    let cancel = Cancel::new();
    let feed = async {
        for _ in 0..20 {
            items.send(Bytes::from("x")).await.expect("sent");
        }
        drop(items);
        tokio::time::sleep(Duration::from_millis(900)).await;
        let mut answered = 0;
        while replies.recv().await.is_some() {
            answered += 1;
        }
        answered
    };
    let (ended, answered) = tokio::join!(run(&mut warm, part, 4, 500, &cancel), feed);
    assert_eq!((ended.end.cause, answered), (EndCause::Done, 20));
}

#[tokio::test]
async fn a_reader_that_is_gone_ends_the_process() {
    let mut warm = start(&serve(Protocol::Lines, "0")).await;
    let Feed { items, replies, part, .. } = Feed::new();
    drop(replies);
    items.send(Bytes::from("x")).await.expect("sent");
    let ended = run(&mut warm, part, 4, 20_000, &Cancel::new()).await;
    assert_eq!(ended.end.cause, EndCause::ReaderGone);
    assert!(!warm.0.is_alive());
}

/// A process that ends after its last item has answered; one that ends before has not.
#[tokio::test]
async fn a_process_that_ends_by_itself_keeps_what_it_has_answered() {
    let mut warm = start(&serve(Protocol::Lines, "0")).await;
    let (ended, replies) = part(&mut warm, &["a", "b", "close", "c"], 20_000).await;
    assert_eq!((ended.end.cause, replies.len(), ended.answered), (EndCause::Died, 2, 2));
    assert!(!warm.0.is_alive());
    let (ended, _) = part(&mut warm, &["a"], 20_000).await;
    assert_eq!((ended.end.cause, ended.sent), (EndCause::Died, 0));
}

/// A process that takes nothing more is dead, and its item is not answered.
#[tokio::test]
async fn an_item_that_a_process_does_not_take_is_no_success() {
    // The shell closes its stdin after the first answer.
    let spec =
        RunSpec { protocol: Protocol::Lines, ..command(&["sh", "-c", "read -r a; exec <&-; echo $a; exec sleep 30"]) };
    let mut warm = start(&spec).await;
    let (ended, replies) = part(&mut warm, &["a"], 20_000).await;
    assert_eq!((ended.end.cause, replies), (EndCause::Done, vec!["a".to_owned()]));
    let (ended, replies) = part(&mut warm, &["b"], 20_000).await;
    assert_eq!((ended.end.cause, ended.sent, replies.len()), (EndCause::Died, 0, 0));
    assert!(!warm.0.is_alive());
}
