//! Parts of batches.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use mer_core::{FailureKind, Model, Status};
use mer_meal::{ItemReply, PartItems, PartReplies};
use mer_scheduler::{PartFeed, PartOutcome, PlaceUse, Retention, SchedulerError};
use serde_json::json;
use uuid::Uuid;

use crate::support::{Env, How, eventually};

/// Items that are there.
struct Items(VecDeque<Bytes>);

impl PartItems for Items {
    fn poll_take(&mut self, _: &mut Context<'_>, limit: usize, payloads: &mut Vec<Bytes>) -> Poll<usize> {
        let count = limit.min(self.0.len());
        payloads.extend(self.0.drain(..count));
        Poll::Ready(count)
    }
}

/// Collects replies.
#[derive(Default)]
struct Replies(Vec<String>);

impl PartReplies for Replies {
    fn send<'a>(&'a mut self, replies: &'a mut VecDeque<ItemReply>) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        let texts = replies.drain(..).map(|reply| String::from_utf8(reply.output.to_vec()).expect("text"));
        self.0.extend(texts);
        Box::pin(std::future::ready(true))
    }
}

/// Runs a part as a batch does that keeps its own processes.
async fn part(
    env: &Env,
    model: &Model,
    items: &[&str],
    how: How,
) -> Result<(PartOutcome, Vec<String>), SchedulerError> {
    let mut items = Items(items.iter().map(|item| Bytes::from((*item).to_owned())).collect());
    let mut replies = Replies::default();
    let outcome = env.send_part(model, PartFeed { items: &mut items, replies: &mut replies, pipeline: 8 }, how).await?;
    Ok((outcome, replies.0))
}

fn how(batch: Uuid) -> How {
    How { keep: Retention::WhileHere, batch_uid: Some(batch), ..How::new() }
}

#[tokio::test]
async fn a_part_is_one_row_with_its_items_and_its_process_serves_the_next_one() {
    let (env, batch) = (Env::new(), Uuid::now_v7());
    let model = env.model("m", json!({}));
    for _ in 0..3 {
        let (ended, replies) = part(&env, &model, &["a", "b", "c"], how(batch)).await.expect("attempted");
        assert_eq!((replies, ended.sent, ended.answered), (vec!["got a".into(), "got b".into(), "got c".into()], 3, 3));
        let access = ended.outcome.access;
        assert_eq!((access.status, access.attempt, access.error), (Status::Succeeded, 1, None));
        assert_eq!((access.batch_uid, access.items, access.failed_items), (Some(batch), Some(3), Some(0)));
        assert_eq!((access.stdin_bytes, access.stdout_bytes), (6, 18));
        // The sha256 of "a\nb\nc\n".
        let hash = "880553fca8fcea94e325ee2cfb48e5a985cc797f39a14cc6d3cedecfeb2ae4d2";
        assert_eq!(access.stdin_sha256.as_deref(), Some(hash));
    }
    assert_eq!(env.starts().len(), 1);
    let process = env.process("m").expect("kept");
    assert_eq!(process.served, 9);
}

#[tokio::test]
async fn a_part_whose_process_dies_counts_what_was_answered() {
    let (env, batch) = (Env::new(), Uuid::now_v7());
    let model = env.model("m", json!({}));
    let (ended, replies) = part(&env, &model, &["a", "b", "die", "c"], how(batch)).await.expect("attempted");
    assert_eq!((replies.len(), ended.answered), (2, 2));
    let access = ended.outcome.access;
    assert_eq!((access.status, ended.outcome.failure), (Status::Failed, Some(FailureKind::ModelFailed)));
    assert_eq!((access.exit_code, access.stdin_sha256), (Some(3), None));
    assert_eq!(access.items.expect("items") - access.failed_items.expect("failed"), 2);
    let error = access.error.expect("an error");
    assert!(error.contains("exited with code 3") && error.contains("item 3 was in process"), "{error}");
    // The next part has a new process.
    let (ended, _) = part(&env, &model, &["a"], how(batch)).await.expect("attempted");
    assert!(ended.outcome.succeeded());
    assert_eq!(env.starts().len(), 2);
}

#[tokio::test]
async fn nothing_of_a_part_counts_whose_process_prints_too_much() {
    let (env, batch) = (Env::new(), Uuid::now_v7());
    let script = "echo '@!#READY#!@'; while read -r line; do echo one; echo two; done";
    let model = env.model("m", json!({"inferenceCommand": ["sh", "-c", script]}));
    let (ended, _) = part(&env, &model, &["a", "b", "c"], how(batch)).await.expect("attempted");
    assert_eq!(ended.outcome.failure, Some(FailureKind::Protocol));
    let access = ended.outcome.access;
    assert_eq!((access.status, access.items), (Status::Failed, access.failed_items));
    eventually("its process is gone", || env.process("m").is_none()).await;
}

#[tokio::test]
async fn parts_at_the_same_time_have_a_process_each() {
    let (env, batch) = (Env::new(), Uuid::now_v7());
    let model = env.model("m", json!({}));
    let one = part(&env, &model, &["wait"], how(batch));
    let two = part(&env, &model, &["wait"], how(batch));
    let go = async {
        eventually("both are there", || env.starts().len() == 2).await;
        env.flag("go");
    };
    let (one, two, ()) = tokio::join!(one, two, go);
    assert_eq!((one.expect("one").1, two.expect("two").1), (vec!["went".to_owned()], vec!["went".to_owned()]));
}

#[tokio::test]
async fn an_item_of_its_own_is_a_row_of_the_batch() {
    let (env, batch) = (Env::new(), Uuid::now_v7());
    let model = env.model("m", json!({}));
    let (ended, _) = env.send(&model, "x", how(batch)).await.expect("attempted");
    assert_eq!((ended.access.items, ended.access.failed_items), (Some(1), Some(0)));
    let (ended, _) = env.send(&model, "die", how(batch)).await.expect("attempted");
    assert_eq!((ended.access.batch_uid, ended.access.failed_items), (Some(batch), Some(1)));
    let (ended, _) = env.send(&model, "x", How::new()).await.expect("attempted");
    assert_eq!((ended.access.batch_uid, ended.access.items, ended.access.failed_items), (None, None, None));
}

#[tokio::test]
async fn a_oneshot_takes_no_part() {
    let env = Env::new();
    let model = env.model("m", json!({"protocol": "oneshot", "inferenceCommand": ["cat"]}));
    let error = part(&env, &model, &["a"], how(Uuid::now_v7())).await.expect_err("no part");
    assert!(matches!(error, SchedulerError::NotKept { .. }), "{error}");
}

#[tokio::test]
async fn a_part_ends_with_its_cancellation_and_its_process_goes_on() {
    let (env, batch) = (Env::new(), Uuid::now_v7());
    let model = env.model("m", json!({}));
    let how = how(batch);
    let cancel = how.cancel.clone();
    let items: Vec<&str> = std::iter::repeat_n("slow 0.05", 40).collect();
    let running = part(&env, &model, &items, how);
    let cancelling = async {
        eventually("the process is there", || env.starts().len() == 1).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        cancel.cancel();
    };
    let (ended, ()) = tokio::join!(running, cancelling);
    let (ended, replies) = ended.expect("attempted");
    assert!(ended.outcome.succeeded(), "{:?}", ended.outcome.access.error);
    assert!(replies.len() < 40 && ended.answered as usize == replies.len());
    assert!(env.process("m").is_some());
}

#[tokio::test]
async fn places_are_those_of_the_servers_bounded_by_instances_resources_and_jobs() {
    let locks = tempfile::tempdir().expect("a folder");
    let env = Env::limited(locks.path(), json!({"slots": 3}));
    let count = |params: serde_json::Value, jobs| {
        let model = env.model("m", params);
        env.places(&model, jobs).expect("places").capacity()
    };
    assert_eq!(count(json!({}), None), 3, "the slots of this machine");
    assert_eq!(count(json!({}), Some(2)), 2);
    assert_eq!(count(json!({"instances": 2}), None), 2);
    assert_eq!(count(json!({"needs": {"slots": 2}}), None), 1);
    assert_eq!(count(json!({"servers": ["a", "b"]}), None), 2, "one process on each server");
    assert_eq!(count(json!({"servers": ["a", "b"]}), Some(4)), 8, "the jobs are those of the whole batch");
    assert_eq!(count(json!({"servers": ["a", "b"], "instances": 3}), None), 6);
    let processors = std::thread::available_parallelism().expect("processors").get();
    assert_eq!(count(json!({"servers": ["a"], "protocol": "oneshot"}), None), processors);
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_set_aside_by_its_batch() {
    let (env, batch) = (Env::new(), Uuid::now_v7());
    let model = env.model("m", json!({"servers": ["nowhere", "b"]}));
    let places = env.places(&model, None).expect("places");
    assert_eq!((places.capacity(), places.take(None).as_deref()), (2, Some("nowhere")));
    let pinned = How { pinned: Some("nowhere"), ..how(batch) };
    let (ended, _) = part(&env, &model, &["a"], pinned).await.expect("attempted");
    assert_eq!((ended.outcome.failure, ended.sent), (Some(FailureKind::Unreachable), 0));
    assert_eq!((ended.outcome.access.items, ended.outcome.access.run_ms), (Some(0), None));
    places.give_back("nowhere", PlaceUse::Unreachable);
    assert_eq!((places.capacity(), places.take(None).as_deref()), (1, Some("b")));
    let env = Arc::clone(&env);
    let pinned = How { pinned: Some("b"), ..how(batch) };
    let (ended, _) = part(&env, &model, &["a"], pinned).await.expect("attempted");
    assert_eq!((ended.outcome.access.server.as_str(), ended.answered), ("b", 1));
}
