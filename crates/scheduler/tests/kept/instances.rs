//! How many processes there are, on which servers, and which requests wait for them.

use std::sync::Arc;

use mer_core::{FailureKind, ProcessState, Status};
use mer_scheduler::SchedulerError;
use serde_json::json;

use crate::support::{Env, How, eventually, runs, spawn};

#[tokio::test]
async fn two_hundred_requests_at_once_are_served_by_one_process() {
    let env = Env::new();
    let model = env.model("m", json!({}));
    let runs: Vec<_> = (0..200).map(|_| spawn(&env, &model, "pid", How::new())).collect();
    let mut pids = std::collections::BTreeSet::new();
    for run in runs {
        let (outcome, pid) = run.await.expect("joined").expect("attempted");
        assert!(outcome.succeeded());
        pids.insert(pid);
    }
    assert_eq!((pids.len(), env.starts().len()), (1, 1));
    assert_eq!(env.process("m").expect("a process").served, 200);
}

#[tokio::test]
async fn requests_wait_in_their_order_within_their_priority() {
    let env = Env::new();
    let model = env.model("m", json!({}));
    let busy = spawn(&env, &model, "wait", How::new());
    eventually("it is busy", || env.state("m") == Some(ProcessState::Busy)).await;
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut waiting = Vec::new();
    for (at, (name, priority)) in [("first", 0), ("second", 0), ("low", -1), ("high", 5)].into_iter().enumerate() {
        let (env, model, order) = (Arc::clone(&env), model.clone(), Arc::clone(&order));
        let queued = u32::try_from(at).expect("few") + 1;
        let queue = Arc::clone(&env);
        waiting.push(tokio::spawn(async move {
            env.send(&model, name, How { priority, ..How::new() }).await.expect("attempted");
            order.lock().expect("lock").push(name);
        }));
        eventually("it waits", || queue.process("m").is_some_and(|process| process.queued == queued)).await;
    }
    env.flag("go");
    busy.await.expect("joined").expect("attempted");
    for one in waiting {
        one.await.expect("joined");
    }
    assert_eq!(*order.lock().expect("lock"), ["high", "first", "second", "low"]);
}

#[tokio::test]
async fn a_queue_is_bounded_in_length_and_time() {
    let env = Env::new();
    let model = env.model("m", json!({"queueLength": 1, "queueTimeout": "300ms"}));
    let busy = spawn(&env, &model, "wait", How::new());
    eventually("it is busy", || env.state("m") == Some(ProcessState::Busy)).await;
    let late = spawn(&env, &model, "x", How::new());
    eventually("one waits", || env.process("m").is_some_and(|process| process.queued == 1)).await;
    let how = How::new();
    let (uid, refused) = (how.uid, env.send(&model, "x", how).await);
    assert!(matches!(refused, Err(SchedulerError::QueueFull { queued: 1, .. })), "{refused:?}");
    assert!(env.attempts(uid).is_empty(), "what is refused is not on record");
    let (outcome, _) = late.await.expect("joined").expect("attempted");
    assert_eq!((outcome.access.status, outcome.failure), (Status::Timeout, Some(FailureKind::Busy)));
    assert!(outcome.access.queue_ms >= Some(300.0) && outcome.access.error.expect("an error").contains("queueTimeout"));
    env.flag("go");
    assert_eq!(busy.await.expect("joined").expect("attempted").1, "went");
    assert_eq!(env.process("m").expect("a process").queued, 0);
}

#[tokio::test]
async fn waiting_for_a_start_is_no_waiting_in_the_queue() {
    let env = Env::new();
    env.flag("slow-start");
    let model = env.model("m", json!({"queueTimeout": "100ms"}));
    let (first, second) = (spawn(&env, &model, "x", How::new()), spawn(&env, &model, "y", How::new()));
    assert_eq!(first.await.expect("joined").expect("attempted").1, "got x");
    assert_eq!(second.await.expect("joined").expect("attempted").1, "got y");
}

#[tokio::test]
async fn a_request_goes_to_the_server_that_serves_it_soonest() {
    let env = Env::new();
    let model = env.model("m", json!({"servers": ["a", "b"]}));
    let on = |server| How { pinned: Some(server), ..How::new() };
    // A ready process is better than a free place.
    assert!(env.load(&model, on("b")).await.expect("attempted").succeeded());
    let (outcome, _) = env.send(&model, "x", How::new()).await.expect("attempted");
    assert_eq!(outcome.access.server, "b");
    // A free place is better than a queue.
    let busy_b = spawn(&env, &model, "wait", How::new());
    let of = |server: &str| env.scheduler.processes().into_iter().find(|process| process.server == server);
    eventually("b is busy", || of("b").is_some_and(|process| process.state == ProcessState::Busy)).await;
    let busy_a = spawn(&env, &model, "wait", How::new());
    eventually("a is busy", || of("a").is_some_and(|process| process.state == ProcessState::Busy)).await;
    // The shortest queue; of equal ones the first.
    let mut waiting = Vec::new();
    for (server, length) in [("a", 1), ("b", 1), ("a", 2)] {
        waiting.push((server, spawn(&env, &model, "x", How::new())));
        eventually("it waits", || of(server).is_some_and(|process| process.queued == length)).await;
    }
    env.flag("go");
    for (server, run) in waiting {
        assert_eq!(run.await.expect("joined").expect("attempted").0.access.server, server);
    }
    assert!(busy_a.await.expect("joined").is_ok() && busy_b.await.expect("joined").is_ok());
    // Equal servers are chosen in the order of the list.
    assert_eq!(env.send(&model, "x", How::new()).await.expect("attempted").0.access.server, "a");
}

#[tokio::test]
async fn a_start_that_no_request_waits_for_is_better_than_a_free_place() {
    let env = Env::new();
    env.flag("slow-start");
    let model = env.model("m", json!({"servers": ["a", "b"]}));
    let load = {
        let (env, model) = (Arc::clone(&env), model.clone());
        tokio::spawn(async move { env.load(&model, How { pinned: Some("b"), ..How::new() }).await })
    };
    eventually("it starts", || env.starts().len() == 1).await;
    let (first, second) = (spawn(&env, &model, "x", How::new()), spawn(&env, &model, "x", How::new()));
    let servers = [
        first.await.expect("joined").expect("attempted").0.access.server,
        second.await.expect("joined").expect("attempted").0.access.server,
    ];
    assert_eq!(servers, ["b", "a"]);
    assert!(load.await.expect("joined").expect("attempted").succeeded());
}

#[tokio::test]
async fn a_pinned_process_is_not_ended_for_another_of_its_model() {
    let env = Env::new();
    for (name, pinned) in [("loose", false), ("fixed", true)] {
        let model = env.model(name, json!({"pinned": pinned}));
        let other = |env: &Env| How {
            requester: Some(Arc::new(mer_scheduler::Requester {
                caller: "bob@host".to_owned(),
                claims: Default::default(),
                pid: 7,
                environment: Arc::default(),
                folder: env.folder.path().to_owned(),
                agent: None,
            })),
            ..How::new()
        };
        let first: u32 = env.ask(&model, "pid").await.parse().expect("a pid");
        let (outcome, second) = env.send(&model, "pid", other(&env)).await.expect("attempted");
        assert!(outcome.succeeded());
        assert_eq!(runs(first), pinned);
        let kept = if pinned { first } else { second.parse().expect("a pid") };
        assert_eq!(env.process(name).and_then(|process| process.pid), Some(kept));
        assert_eq!(env.process(name).map(|process| process.pinned), Some(pinned));
    }
}
