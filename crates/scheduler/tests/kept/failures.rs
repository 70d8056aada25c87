//! Models that cannot be loaded, and models that die.

use mer_core::{FailureKind, ProcessState, Status};
use serde_json::json;

use crate::support::{Env, How, eventually, spawn};

#[tokio::test]
async fn a_model_that_cannot_be_loaded_is_not_started_again_at_once() {
    let env = Env::new();
    env.flag("broken");
    let model = env.model("m", json!({}));
    let first = env.fail(&model, "x", How::new()).await;
    assert_eq!((first.failure, first.access.exit_code), (Some(FailureKind::ModelFailed), Some(5)));
    assert_eq!(first.access.stderr_tail, "no weights\n");
    let how = How::new();
    let uid = how.uid;
    let second = env.fail(&model, "x", how).await;
    assert_eq!((second.access.status, second.failure), (Status::Failed, Some(FailureKind::ModelFailed)));
    let error = second.access.error.expect("an error");
    assert!(error.contains("exited with code 5") && error.contains("it is started again in"), "{error}");
    assert_eq!((env.starts().len(), env.attempts(uid).len()), (1, 1), "it is on record, and nothing was started");
    let failed = env.process("m").expect("a row");
    assert_eq!((failed.state, failed.pid), (ProcessState::Failed, None));
    assert!(failed.until.is_some() && failed.last_error.expect("an error").contains("code 5"));
    // Another registration is another model.
    let changed = env.model("m", json!({"timeout": "1m"}));
    env.fail(&changed, "x", How::new()).await;
    assert_eq!(env.starts().len(), 2);
    std::fs::remove_file(env.path("broken")).expect("removed");
    eventually("its pause is over", || env.process("m").is_none()).await;
    assert_eq!(env.ask(&changed, "x").await, "got x");
}

#[tokio::test]
async fn requests_that_wait_for_a_start_fail_with_it() {
    let env = Env::new();
    env.flag("slow-start");
    env.flag("broken");
    let model = env.model("m", json!({}));
    let runs: Vec<_> = (0..3).map(|_| spawn(&env, &model, "x", How::new())).collect();
    for run in runs {
        let (outcome, _) = run.await.expect("joined").expect("attempted");
        assert_eq!((outcome.access.exit_code, outcome.access.stderr_tail.as_str()), (Some(5), "no weights\n"));
    }
    assert_eq!(env.starts().len(), 1);
}

#[tokio::test]
async fn a_model_that_dies_at_every_request_is_restarted_more_and_more_slowly() {
    let env = Env::new();
    let model = env.model("m", json!({}));
    for _ in 0..2 {
        let died = env.fail(&model, "die", How::new()).await;
        assert_eq!(died.access.exit_code, Some(3));
    }
    let error = env.fail(&model, "die", How::new()).await.access.error.expect("an error");
    assert!(error.contains("it is started again in"), "{error}");
    assert_eq!(env.starts().len(), 2);
    eventually("its pause is over", || env.process("m").is_none()).await;
    // An answer ends the series.
    env.ask(&model, "x").await;
    env.fail(&model, "die", How::new()).await;
    assert_eq!(env.ask(&model, "x").await, "got x");
    assert_eq!(env.starts().len(), 4);
}

#[tokio::test]
async fn a_stop_ends_the_pause_of_a_model_that_failed() {
    let env = Env::new();
    env.flag("broken");
    let model = env.model("m", json!({}));
    env.fail(&model, "x", How::new()).await;
    std::fs::remove_file(env.path("broken")).expect("removed");
    env.scheduler.stop_processes(&"m".parse().expect("a selection"), false).await;
    assert_eq!(env.ask(&model, "x").await, "got x");
}
