//! Attempts after failures.

use mer_core::{FailureKind, Status};
use serde_json::json;

use crate::support::{Env, How, servers, spawn};

#[tokio::test]
async fn a_kept_process_that_dies_before_its_reply_is_retried_and_each_attempt_is_a_row() {
    let env = Env::new();
    let model = env.model("m", json!({}));
    let how = How { retries: 2, ..How::new() };
    let uid = how.uid;
    let (outcome, output) = env.send(&model, "die-once", how).await.expect("attempted");
    assert_eq!((output.as_str(), outcome.access.attempt, outcome.access.status), ("alive", 2, Status::Succeeded));
    assert_eq!(env.attempts(uid), [(1, "local".to_owned()), (2, "local".to_owned())]);
    // Without retries there is one attempt.
    std::fs::remove_file(env.path("died")).expect("removed");
    let failed = env.fail(&model, "die-once", How::new()).await;
    assert_eq!((failed.access.attempt, failed.failure), (1, Some(FailureKind::ModelFailed)));
}

#[tokio::test]
async fn a_reply_that_has_begun_is_not_repeated() {
    let env = Env::new();
    let model = env.model("m", json!({"protocol": "oneshot", "inferenceCommand": ["sh", "-c", "echo begun; exit 3"]}));
    let how = How { retries: 3, retry_failed: true, ..How::new() };
    let (outcome, output) = env.send(&model, "x", how).await.expect("attempted");
    assert_eq!((output.as_str(), outcome.access.attempt), ("begun", 1));
    let error = outcome.access.error.expect("an error");
    assert!(error.contains("exited with code 3") && error.contains("a part of its output was passed on"), "{error}");
}

#[tokio::test]
async fn the_failure_of_the_model_itself_is_retried_only_where_that_was_asked_for() {
    let env = Env::new();
    let script =
        "cat >/dev/null; echo >>\"$DIR/runs\"; [ $(wc -l <\"$DIR/runs\") -ge 3 ] && echo done && exit 0; exit 4";
    let model = env.model("m", json!({"protocol": "oneshot", "inferenceCommand": ["sh", "-c", script]}));
    let failed = env.fail(&model, "x", How { retries: 3, ..How::new() }).await;
    assert_eq!((failed.access.attempt, failed.access.exit_code), (1, Some(4)));
    let how = How { retries: 3, retry_failed: true, ..How::new() };
    let (outcome, output) = env.send(&model, "x", how).await.expect("attempted");
    assert_eq!((output.as_str(), outcome.access.attempt), ("done", 2));
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_passed_over_and_then_set_aside() {
    let env = Env::new();
    let model = env.model("m", json!({"servers": ["nowhere", "b"]}));
    assert!(servers().iter().any(|server| server.name == "nowhere"));
    let how = How::new();
    let uid = how.uid;
    let (outcome, _) = env.send(&model, "x", how).await.expect("attempted");
    assert!(outcome.succeeded(), "{:?}", outcome.access.error);
    assert_eq!(env.attempts(uid), [(1, "nowhere".to_owned()), (2, "b".to_owned())]);
    let (outcome, _) = env.send(&model, "x", How::new()).await.expect("attempted");
    assert_eq!((outcome.access.attempt, outcome.access.server.as_str()), (1, "b"));
    // A pinned server is tried all the same, and again with retries.
    let how = How { pinned: Some("nowhere"), retries: 1, ..How::new() };
    let uid = how.uid;
    let failed = env.fail(&model, "x", how).await;
    assert_eq!((failed.access.attempt, failed.failure), (2, Some(FailureKind::Unreachable)));
    assert_eq!(env.attempts(uid).len(), 2);
}

#[tokio::test]
async fn a_retry_goes_elsewhere_first_and_a_cancelled_one_is_not_made() {
    let env = Env::new();
    let model = env.model("m", json!({"servers": ["a", "b"]}));
    let how = How { retries: 1, ..How::new() };
    let uid = how.uid;
    env.fail(&model, "die", how).await;
    assert_eq!(env.attempts(uid), [(1, "a".to_owned()), (2, "b".to_owned())]);

    let model = env.model("n", json!({}));
    let how = How { retries: 100, ..How::new() };
    let (uid, cancel) = (how.uid, how.cancel.clone());
    let run = spawn(&env, &model, "die", how);
    crate::support::eventually("it is tried again", || env.attempts(uid).len() >= 2).await;
    cancel.cancel();
    let (outcome, _) = run.await.expect("joined").expect("attempted");
    assert!(!outcome.succeeded() && outcome.access.attempt < 100);
}
