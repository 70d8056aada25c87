//! Resources: never more at once than a machine has, in order, across schedulers, and with room made by idle processes.

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use mer_core::{Classified as _, FailureKind, Model, Status};
use mer_scheduler::{Retention, SchedulerError};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::{Env, How, eventually, spawn};

/// Notes its begin, its units and its end, and waits between for a file if its input says so.
const ONCE: &str = r#"read -r line
echo "+ $line $CUDA_VISIBLE_DEVICES $MER_RESOURCE_SLOTS" >>"$LOG"
case "$line" in hold*) while [ ! -e "$LOG.go" ]; do sleep 0.02; done ;; *) sleep 0.03 ;; esac
echo "- $line" >>"$LOG""#;

fn oneshot(env: &Env, log: &Path, params: Value) -> Model {
    let mut all = json!({
        "protocol": "oneshot", "inferenceCommand": ["sh", "-c", ONCE], "env": {"LOG": log}, "readyToken": null,
    });
    let Value::Object(params) = params else { panic!("an object") };
    all.as_object_mut().expect("an object").extend(params);
    env.model("once", all)
}

fn how(priority: i8) -> How {
    How { keep: Retention::No, priority, ..How::new() }
}

fn lines(log: &Path) -> Vec<String> {
    fs::read_to_string(log).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// The greatest number of processes at the same time, by what they wrote themselves.
fn most_at_once(lines: &[String]) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    for line in lines {
        now = if line.starts_with('+') { now + 1 } else { now - 1 };
        most = most.max(now);
    }
    most
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_more_than_the_machine_has_run_at_once_across_schedulers() {
    let shared = tempdir().expect("a folder");
    let log = shared.path().join("log");
    let envs: Vec<Arc<Env>> = (0..3).map(|_| Env::limited(shared.path(), json!({"slots": 2}))).collect();
    let runs: Vec<_> = (0..21)
        .map(|number| {
            let env = &envs[number % envs.len()];
            spawn(env, &oneshot(env, &log, json!({})), "x", how(0))
        })
        .collect();
    for run in runs {
        let (outcome, _) = run.await.expect("no panic").expect("attempted");
        assert_eq!(outcome.access.error, None);
    }
    let lines = lines(&log);
    assert_eq!((lines.len(), most_at_once(&lines)), (42, 2), "{lines:?}");
    let told = |unit: &str| lines.iter().any(|line| *line == format!("+ x  {unit}"));
    assert!(told("0") && told("1"), "{lines:?}");
}

#[tokio::test]
async fn a_waiting_run_is_served_by_priority_and_by_arrival_and_has_its_wait_on_record() {
    let shared = tempdir().expect("a folder");
    let log = shared.path().join("log");
    let env = Env::limited(shared.path(), json!({"gpu": ["GPU-7"]}));
    let model = oneshot(&env, &log, json!({"needs": {"gpu": 1}}));
    let first = spawn(&env, &model, "hold", how(0));
    eventually("the first one runs", || lines(&log).len() == 1).await;
    let mut runs = Vec::new();
    for (input, priority) in [("a", 0), ("b", 0), ("low", -1), ("high", 5)] {
        runs.push(spawn(&env, &model, input, how(priority)));
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    fs::write(shared.path().join("log.go"), "").expect("written");
    first.await.expect("no panic").expect("attempted");
    for run in runs {
        let (outcome, _) = run.await.expect("no panic").expect("attempted");
        assert!(outcome.succeeded() && outcome.access.queue_ms > Some(20.0), "{:?}", outcome.access);
    }
    let begins: Vec<String> = lines(&log).into_iter().filter(|line| line.starts_with('+')).collect();
    let order = ["hold", "high", "a", "b", "low"].map(|input| format!("+ {input} GPU-7 "));
    assert_eq!(begins, order);
}

#[tokio::test]
async fn the_wait_and_the_queue_are_bounded() {
    let shared = tempdir().expect("a folder");
    let log = shared.path().join("log");
    let env = Env::limited(shared.path(), json!({"gpu": 1}));
    let other = Env::limited(shared.path(), json!({"gpu": 1}));
    let bounds = json!({"needs": {"gpu": 1}, "queueTimeout": "400ms", "queueLength": 1});
    let model = oneshot(&env, &log, bounds);
    let first = spawn(&other, &oneshot(&other, &log, json!({"needs": {"gpu": 1}})), "hold", how(0));
    eventually("the first one runs", || lines(&log).len() == 1).await;
    let waiting = spawn(&env, &model, "x", how(0));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let refused = env.send(&model, "x", how(0)).await;
    assert!(matches!(refused, Err(SchedulerError::QueueFull { queued: 1, .. })), "{refused:?}");
    let (outcome, _) = waiting.await.expect("no panic").expect("attempted");
    assert_eq!((outcome.access.status, outcome.failure), (Status::Timeout, Some(FailureKind::Busy)));
    let error = outcome.access.error.expect("an error");
    assert!(error.contains("queueTimeout") && error.contains("a free `gpu` of `local@box`"), "{error}");
    assert!(outcome.access.queue_ms >= Some(400.0));
    // A request that is cancelled while it waits leaves the queue.
    let cancelled = how(0);
    let waiting = spawn(&env, &model, "x", cancelled.clone());
    tokio::time::sleep(Duration::from_millis(50)).await;
    cancelled.cancel.cancel();
    let (outcome, _) = waiting.await.expect("no panic").expect("attempted");
    assert_eq!(outcome.access.status, Status::Cancelled);
    fs::write(shared.path().join("log.go"), "").expect("written");
    first.await.expect("no panic").expect("attempted");
    assert!(env.send(&model, "x", how(0)).await.expect("attempted").0.succeeded());
}

#[tokio::test]
async fn needs_that_no_server_meets_are_refused_and_others_are_served_where_they_are_met() {
    let shared = tempdir().expect("a folder");
    let log = shared.path().join("log");
    let env = Env::limited(shared.path(), json!({"gpu": 1}));
    let model = oneshot(&env, &log, json!({"needs": {"gpu": 2}, "servers": ["local", "a"]}));
    let error = env.send(&model, "x", how(0)).await.expect_err("refused");
    assert_eq!(error.failure_kind(), FailureKind::Config);
    assert_eq!(error.to_string(), "model `once` needs `gpu` = 2, which `local` and `a` cannot give");
    let model = oneshot(&env, &log, json!({"needs": {"gpu": 1}, "servers": ["a", "local"]}));
    let (outcome, _) = env.send(&model, "x", how(0)).await.expect("attempted");
    assert_eq!((outcome.access.server.as_str(), outcome.succeeded()), ("local", true));
}

#[tokio::test]
async fn where_nothing_is_limited_no_file_is_made() {
    let shared = tempdir().expect("a folder");
    let env = Env::limited(shared.path(), json!({"gpu": 1}));
    let model = oneshot(&env, &shared.path().join("log"), json!({}));
    assert!(env.send(&model, "x", how(0)).await.expect("attempted").0.succeeded());
    assert!(!shared.path().join("mer").exists());
}

#[tokio::test]
async fn a_folder_of_locks_that_others_can_use_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let shared = tempdir().expect("a folder");
    let env = Env::limited(shared.path(), json!({"gpu": 1}));
    fs::create_dir(shared.path().join("mer")).expect("a folder");
    fs::set_permissions(shared.path().join("mer"), fs::Permissions::from_mode(0o777)).expect("a mode");
    let model = oneshot(&env, &shared.path().join("log"), json!({"needs": {"gpu": 1}}));
    let error = env.send(&model, "x", how(0)).await.expect_err("refused");
    assert!(matches!(error, SchedulerError::Limits { .. }), "{error:?}");
}

/// Two models that are kept, of which only one fits.
#[tokio::test]
async fn an_idle_process_makes_room_and_a_pinned_one_does_not() {
    let shared = tempdir().expect("a folder");
    let env = Env::limited(shared.path(), json!({"gpu": 1}));
    let params = json!({"needs": {"gpu": 1}, "servers": ["local"]});
    let (one, two) = (env.model("one", params.clone()), env.model("two", params));
    let first = env.ask(&one, "pid").await;
    let second = env.ask(&two, "pid").await;
    assert!(env.process("one").is_none(), "it made room");
    assert_eq!(env.ask(&two, "pid").await, second, "it is kept");
    assert_ne!(env.ask(&one, "pid").await, first);
    let pinned = env.model("pinned", json!({"needs": {"gpu": 1}, "servers": ["local"], "pinned": true}));
    env.ask(&pinned, "x").await;
    let short = env.model("one", json!({"needs": {"gpu": 1}, "servers": ["local"], "queueTimeout": "300ms"}));
    let outcome = env.fail(&short, "x", How::new()).await;
    assert_eq!((outcome.access.status, outcome.failure), (Status::Timeout, Some(FailureKind::Busy)));
    assert!(env.process("pinned").is_some());
}

/// Three schedulers with a model each swap: the owner of an idle process yields it within its next look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_process_of_another_scheduler_makes_room() {
    let shared = tempdir().expect("a folder");
    let begin = Instant::now();
    let envs: Vec<Arc<Env>> = (0..3).map(|_| Env::limited(shared.path(), json!({"gpu": 1}))).collect();
    for env in &envs {
        let model = env.model("own", json!({"needs": {"gpu": 1}, "servers": ["local"]}));
        assert_eq!(env.ask(&model, "x").await, "got x");
    }
    assert!(envs[0].process("own").is_none() && envs[2].process("own").is_some());
    assert!(begin.elapsed() < Duration::from_secs(40), "{:?}", begin.elapsed());
}
