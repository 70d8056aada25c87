//! How long a kept process lives.

use std::{fs, sync::Arc};

use mer_core::ProcessState;
use mer_scheduler::{CallerEnvironment, Requester, Retention};
use serde_json::json;

use crate::support::{Env, How, eventually, runs, spawn};

#[tokio::test]
async fn a_process_serves_many_requests_and_is_listed() {
    let env = Env::new();
    let model = env.model("m", json!({}));
    let first = env.ask(&model, "pid").await;
    assert_eq!((env.ask(&model, "pid").await, env.ask(&model, "x").await), (first.clone(), "got x".to_owned()));
    let process = env.process("m").expect("a process");
    assert_eq!((process.state, process.served, process.in_flight, process.queued), (ProcessState::Ready, 3, 0, 0));
    assert_eq!(process.pid.map(|pid| pid.to_string()), Some(first));
    assert!(process.memory_bytes > Some(10_000) && process.until.is_some() && process.last_error.is_none());
    assert!(process.id.starts_with('%') && process.server == "local" && !process.pinned);
}

#[tokio::test]
async fn the_keepalive_counts_from_the_end_of_the_last_request() {
    let env = Env::new();
    let model = env.model("m", json!({"keepalive": "400ms"}));
    let pid: u32 = env.ask(&model, "pid").await.parse().expect("a pid");
    env.ask(&model, "slow 0.8").await;
    assert!(runs(pid) && env.state("m") == Some(ProcessState::Ready), "the request was longer than the keepalive");
    eventually("it is ended", || !runs(pid)).await;
    eventually("it is forgotten", || env.process("m").is_none()).await;
    assert_ne!(env.ask(&model, "pid").await, pid.to_string());
}

#[tokio::test]
async fn listing_does_not_keep_a_process() {
    let env = Env::new();
    let model = env.model("m", json!({"keepalive": "300ms"}));
    env.ask(&model, "x").await;
    eventually("it is gone although it is listed", || env.process("m").is_none()).await;
}

#[tokio::test]
async fn a_model_without_keepalive_is_not_kept_unless_it_is_loaded() {
    let env = Env::new();
    let model = env.model("m", json!({"keepalive": "0s"}));
    let pid: u32 = env.ask(&model, "pid").await.parse().expect("a pid");
    eventually("it is ended", || !runs(pid)).await;
    eventually("it is forgotten", || env.process("m").is_none()).await;
    let loaded = env.load(&model, How::new()).await.expect("attempted");
    assert!(loaded.succeeded());
    let loaded = env.process("m").expect("a process");
    assert_eq!((loaded.state, loaded.until, loaded.served), (ProcessState::Ready, None, 0));
    assert_eq!(env.ask(&model, "pid").await.parse().ok(), loaded.pid);
    assert_eq!(env.state("m"), Some(ProcessState::Ready));
    assert!(env.load(&model, How::new()).await.expect("attempted").succeeded());
    assert_eq!(env.starts().len(), 2, "it was loaded already");
}

#[tokio::test]
async fn a_model_that_ends_with_each_request_is_not_loaded() {
    let env = Env::new();
    let model = env.model("m", json!({"protocol": "oneshot"}));
    let error = env.load(&model, How::new()).await.expect_err("refused");
    assert!(error.to_string().contains("ends with its request"), "{error}");
}

#[tokio::test]
async fn a_process_is_renewed_after_its_requests_its_age_and_its_memory() {
    let env = Env::new();
    let model = env.model("m", json!({"maxRequests": 2}));
    let mut pids = Vec::new();
    for _ in 0..4 {
        pids.push(env.ask(&model, "pid").await);
    }
    assert!(pids[0] == pids[1] && pids[1] != pids[2] && pids[2] == pids[3], "{pids:?}");

    let model = env.model("old", json!({"maxAge": "300ms"}));
    let young = env.ask(&model, "pid").await;
    env.ask(&model, "slow 0.4").await;
    let renewed = env.ask(&model, "pid").await;
    assert_ne!(young, renewed);

    let model = env.model("large", json!({"maxMemory": "1kB"}));
    assert_ne!(env.ask(&model, "pid").await, env.ask(&model, "pid").await);
}

#[tokio::test]
async fn a_model_that_was_changed_or_removed_is_not_used_again() {
    let env = Env::new();
    let model = env.model("m", json!({}));
    let changed = env.model("m", json!({"timeout": "1m"}));
    let first: u32 = env.ask(&model, "pid").await.parse().expect("a pid");
    let second: u32 = env.ask(&changed, "pid").await.parse().expect("a pid");
    assert!(first != second && !runs(first), "the old one is gone before the new one is started");

    // A process that serves a request ends after it.
    let slow = spawn(&env, &changed, "wait", How::new());
    eventually("it is busy", || env.state("m") == Some(ProcessState::Busy)).await;
    env.scheduler.registry_changed(&[], &[]);
    assert_eq!(env.state("m"), Some(ProcessState::Draining));
    env.flag("go");
    assert_eq!(slow.await.expect("joined").expect("attempted").1, "went");
    eventually("it is ended", || !runs(second)).await;

    env.ask(&model, "x").await;
    env.scheduler.registry_changed(std::slice::from_ref(&model), &[]);
    assert_eq!(env.state("m"), Some(ProcessState::Ready), "nothing has changed");
    env.scheduler.registry_changed(&[changed], &[]);
    eventually("it is forgotten", || env.process("m").is_none()).await;
}

#[tokio::test]
async fn a_process_is_started_for_the_folder_and_the_search_paths_of_its_requester() {
    let env = Env::new();
    let model = env.model("m", json!({"instances": 2}));
    let from = |folder: &str, path: &str| {
        let folder = env.path(folder);
        fs::create_dir_all(&folder).expect("a folder");
        let variables = [("PATH".into(), path.into()), ("SECRET".into(), "s".into())].into();
        let requester = Requester {
            caller: "bob@host".to_owned(),
            claims: Default::default(),
            pid: 77,
            environment: Arc::new(CallerEnvironment::new(variables, [])),
            folder,
            agent: None,
        };
        How { requester: Some(Arc::new(requester)), ..How::new() }
    };
    let mut told = Vec::new();
    for (folder, path) in [("one", "/bin"), ("two", "/bin"), ("one", "/bin:/usr/bin"), ("one", "/bin")] {
        let (outcome, pid) = env.send(&model, "pid", from(folder, path)).await.expect("attempted");
        assert_eq!((outcome.access.caller.as_str(), outcome.access.caller_pid), ("bob@host", 77));
        let (_, pwd) = env.send(&model, "pwd", from(folder, path)).await.expect("attempted");
        let (_, seen) = env.send(&model, "path", from(folder, path)).await.expect("attempted");
        assert!(pwd.ends_with(folder) && seen == path, "{pwd} {seen}");
        told.push(pid);
    }
    let live = env.scheduler.processes().len();
    assert!(live <= 2, "{live} processes are kept");
    told.dedup();
    assert!(told.len() >= 3, "{told:?}");
}

#[tokio::test]
async fn a_process_that_is_kept_here_lives_on_and_others_are_not_shared() {
    let env = Env::new();
    let model = env.model("m", json!({"keepalive": "0s"}));
    let here = || How { keep: Retention::WhileHere, ..How::new() };
    // Two requests at the same time get a process each.
    let (one, two) = (spawn(&env, &model, "wait", here()), spawn(&env, &model, "wait", here()));
    eventually("both are started", || env.starts().len() == 2).await;
    env.flag("go");
    assert!(one.await.expect("joined").is_ok() && two.await.expect("joined").is_ok());
    env.send(&model, "x", here()).await.expect("attempted");
    assert_eq!((env.starts().len(), env.scheduler.warm().len()), (2, 2));
    env.scheduler.stop().await;
    assert!(env.scheduler.processes().is_empty() && env.starts().iter().all(|pid| !runs(*pid)));

    let alone = How { keep: Retention::No, ..How::new() };
    let (_, pid) = env.send(&model, "pid", alone).await.expect("attempted");
    assert!(env.scheduler.processes().is_empty() && !runs(pid.parse().expect("a pid")));
}

#[tokio::test]
async fn a_process_that_dies_while_it_is_idle_is_replaced() {
    let env = Env::new();
    let model = env.model("m", json!({}));
    let pid = env.ask(&model, "pid").await;
    assert!(std::process::Command::new("kill").args(["-9", &pid]).status().expect("kill").success());
    eventually("it is gone", || !runs(pid.parse().expect("a pid"))).await;
    eventually("it is not listed", || env.process("m").is_none()).await;
    assert_ne!(env.ask(&model, "pid").await, pid);
}
