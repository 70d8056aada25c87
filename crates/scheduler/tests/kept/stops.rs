//! Processes that are stopped, and starts that are given up.

use std::time::{Duration, Instant};

use mer_core::{FailureKind, ProcessState, Status};
use mer_scheduler::Selection;
use serde_json::json;

use crate::support::{Env, How, eventually, runs, spawn};

#[tokio::test]
async fn stop_ends_a_start_in_progress() {
    let env = Env::new();
    env.flag("endless-start");
    let model = env.model("m", json!({}));
    let run = spawn(&env, &model, "x", How::new());
    eventually("it starts", || env.starts().len() == 1).await;
    assert_eq!(env.state("m"), Some(ProcessState::Starting));
    let stopped = env.scheduler.stop_processes(&Selection::Model("m".to_owned()), false).await;
    assert_eq!(stopped.len(), 1);
    assert!(!runs(env.starts()[0]) && env.process("m").is_none());
    let (outcome, _) = run.await.expect("joined").expect("attempted");
    assert_eq!((outcome.access.status, outcome.failure), (Status::Cancelled, Some(FailureKind::Busy)));
    assert!(outcome.access.error.expect("an error").contains("was stopped before it was ready"));
}

#[tokio::test]
async fn a_request_during_a_stop_gets_a_fresh_process() {
    let env = Env::new();
    env.flag("deaf");
    let model = env.model("m", json!({"grace": "20s"}));
    let old: u32 = env.ask(&model, "pid").await.parse().expect("a pid");
    let stop = async {
        let stopped = env.scheduler.stop_processes(&Selection::All, false).await;
        assert_eq!(stopped.len(), 1);
    };
    let fresh = async {
        eventually("it is being ended", || env.state("m") == Some(ProcessState::Stopping)).await;
        let fresh = env.ask(&model, "pid").await;
        assert!(runs(old) && fresh != old.to_string());
        // The process that is being ended is ended at once by its id.
        let stopping = env.scheduler.processes().into_iter().find(|process| process.pid == Some(old)).expect("listed");
        env.scheduler.stop_processes(&stopping.id.parse().expect("a selection"), true).await;
        assert!(!runs(old));
        fresh
    };
    let begin = Instant::now();
    let ((), fresh) = tokio::join!(stop, fresh);
    assert!(begin.elapsed() < Duration::from_secs(15));
    assert_eq!(env.process("m").and_then(|process| process.pid).map(|pid| pid.to_string()), Some(fresh));
    env.scheduler.stop_processes(&Selection::All, true).await;
}

#[tokio::test]
async fn a_process_that_serves_a_request_is_stopped_after_it_or_at_once() {
    for now in [false, true] {
        let env = Env::new();
        let model = env.model("m", json!({}));
        let run = spawn(&env, &model, "wait", How::new());
        eventually("it is busy", || env.state("m") == Some(ProcessState::Busy)).await;
        let selection = Selection::Id(env.process("m").expect("a process").id);
        let stop = env.scheduler.stop_processes(&selection, now);
        let go = async {
            if !now {
                eventually("it drains", || env.state("m") == Some(ProcessState::Draining)).await;
                env.flag("go");
            }
        };
        tokio::join!(stop, go);
        let (outcome, output) = run.await.expect("joined").expect("attempted");
        match now {
            false => assert_eq!((outcome.access.status, output.as_str()), (Status::Succeeded, "went")),
            true => assert!(outcome.access.error.expect("an error").contains("was stopped in the middle")),
        }
        assert!(!runs(env.starts()[0]) && env.process("m").is_none());
    }
}

#[tokio::test]
async fn a_start_that_another_request_waits_for_goes_on_without_the_first() {
    let env = Env::new();
    env.flag("slow-start");
    let model = env.model("m", json!({}));
    let first = How::new();
    let cancel = first.cancel.clone();
    let first = spawn(&env, &model, "pid", first);
    eventually("it starts", || env.starts().len() == 1).await;
    let second = spawn(&env, &model, "pid", How::new());
    eventually("the second waits", || env.process("m").is_some_and(|process| process.queued == 1)).await;
    cancel.cancel();
    let (outcome, _) = first.await.expect("joined").expect("attempted");
    assert_eq!(outcome.access.status, Status::Cancelled);
    let (outcome, pid) = second.await.expect("joined").expect("attempted");
    assert!(outcome.succeeded() && outcome.access.queue_ms > Some(1.0));
    assert_eq!(env.starts(), [pid.parse::<u32>().expect("a pid")], "there was one start");
}

#[tokio::test]
async fn a_start_that_no_request_waits_for_ends() {
    let env = Env::new();
    env.flag("endless-start");
    let model = env.model("m", json!({}));
    // One that is cancelled.
    let how = How::new();
    let cancel = how.cancel.clone();
    let run = spawn(&env, &model, "x", how);
    eventually("it starts", || env.starts().len() == 1).await;
    cancel.cancel();
    let (outcome, _) = run.await.expect("joined").expect("attempted");
    assert_eq!((outcome.access.status, runs(env.starts()[0])), (Status::Cancelled, false));
    assert!(env.process("m").is_none());
    // Two, the second of which is dropped after the first.
    let how = How::new();
    let cancel = how.cancel.clone();
    let (first, second) = (spawn(&env, &model, "x", how), spawn(&env, &model, "x", How::new()));
    eventually("the second waits", || env.process("m").is_some_and(|process| process.queued == 1)).await;
    eventually("it starts", || env.starts().len() == 2).await;
    cancel.cancel();
    first.await.expect("joined").expect("attempted");
    assert!(runs(env.starts()[1]), "the second waits for it");
    second.abort();
    eventually("it is ended", || !runs(env.starts()[1])).await;
    eventually("it is forgotten", || env.process("m").is_none()).await;
}

#[tokio::test]
async fn a_request_that_is_dropped_takes_its_process_with_it() {
    let env = Env::new();
    let model = env.model("m", json!({}));
    let run = spawn(&env, &model, "wait", How::new());
    eventually("it is busy", || env.state("m") == Some(ProcessState::Busy)).await;
    let next = spawn(&env, &model, "pid", How::new());
    run.abort();
    let (outcome, pid) = next.await.expect("joined").expect("attempted");
    assert!(outcome.succeeded() && env.starts().len() == 2 && env.starts()[1].to_string() == pid);
    eventually("it is ended", || !runs(env.starts()[0])).await;
}
