//! Batches whose processes are kept by this process.

use std::{fs, sync::Arc, time::Duration};

use mer_batch::{BatchEnd, Options, Stop, StopLevel};
use mer_core::{FailureKind, Status};

use crate::support::{Env, counts, is_complete, items, options, runner};

#[tokio::test]
async fn each_item_has_its_answer_and_a_part_is_one_row() {
    let env = Env::new().await;
    let runtime = env.runtime();
    let options = options();
    let batch = options.batch_uid;
    let runner = Arc::new(runner(&runtime, "plain", None).await);
    let (summary, results) = env.run(runner, options, items(2500), Stop::default()).await;
    assert!(is_complete(&summary), "{:?}", summary.end);
    let expected: Vec<String> = (0..2500).map(|number| format!("got item {number}")).collect();
    assert!(results == expected, "{:?}", &results[..3]);
    let rows = env.rows(&runtime, batch).await;
    assert!(rows.len() < 20, "{}", rows.len());
    assert_eq!((counts(&rows), env.starts()), ((2500, 0), 1));
    assert!(rows.iter().all(|row| row.status == Status::Succeeded && row.via.is_none()));
}

#[tokio::test]
async fn an_item_that_kills_its_process_fails_by_itself() {
    let env = Env::new().await;
    let runtime = env.runtime();
    let options = options();
    let batch = options.batch_uid;
    let input = items(40) + "die\n" + &items(40);
    let runner = Arc::new(runner(&runtime, "plain", Some(2)).await);
    let (summary, results) = env.run(runner, options, input, Stop::default()).await;
    assert!(is_complete(&summary), "{:?}", summary.end);
    let half = || (0..40).map(|number| format!("got item {number}"));
    let expected: Vec<String> = half().chain([String::new()]).chain(half()).collect();
    assert_eq!(results, expected);
    assert_eq!((summary.progress.succeeded, summary.progress.failed), (80, 1));
    let rows = env.rows(&runtime, batch).await;
    let failed: Vec<_> = rows.iter().filter(|row| row.status != Status::Succeeded).collect();
    assert!(failed.len() >= 2 && failed.iter().all(|row| row.exit_code == Some(3)), "{failed:?}");
    assert!(failed.iter().any(|row| (row.items, row.failed_items) == (Some(1), Some(1))), "it has a row of its own");
}

#[tokio::test]
async fn a_line_too_many_shifts_no_answer() {
    let env = Env::new().await;
    let runtime = env.runtime();
    let input = items(50) + "two\n" + &items(50);
    let runner = Arc::new(runner(&runtime, "plain", None).await);
    let (summary, results) = env.run(runner, options(), input, Stop::default()).await;
    assert!(is_complete(&summary), "{:?}", summary.end);
    let half = || (0..50).map(|number| format!("got item {number}"));
    assert_eq!(results, half().chain([String::new()]).chain(half()).collect::<Vec<_>>());
    assert_eq!((summary.progress.succeeded, summary.progress.failed), (100, 1));
}

#[tokio::test]
async fn an_item_that_hangs_is_timed_out() {
    let env = Env::new().await;
    let runtime = env.runtime();
    let runner = Arc::new(runner(&runtime, "quick", None).await);
    let (summary, results) = env.run(runner, options(), "a\nhang\nb\n".to_owned(), Stop::default()).await;
    assert!(is_complete(&summary), "{:?}", summary.end);
    assert_eq!(results, ["got a", "", "got b"]);
}

#[tokio::test]
async fn a_oneshot_has_a_process_and_a_row_for_each_item() {
    let env = Env::new().await;
    let runtime = env.runtime();
    let options = options();
    let batch = options.batch_uid;
    let runner_here = Arc::new(runner(&runtime, "shout", Some(4)).await);
    let (summary, results) = env.run(runner_here, options, items(30), Stop::default()).await;
    assert!(is_complete(&summary), "{:?}", summary.end);
    assert_eq!(results, (0..30).map(|number| format!("ITEM {number}")).collect::<Vec<_>>());
    let rows = env.rows(&runtime, batch).await;
    assert_eq!((rows.len(), counts(&rows)), (30, (30, 0)));
    // One that exits with another code than 0 fails.
    let runner_here = Arc::new(runner(&runtime, "picky", Some(2)).await);
    let forced = Options { force: true, ..crate::support::options() };
    let (summary, results) = env.run(runner_here, forced, "x\nbad\ny\n".to_owned(), Stop::default()).await;
    assert_eq!((results, summary.progress.failed), (vec!["fine".into(), String::new(), "fine".into()], 1));
}

#[tokio::test]
async fn replicas_share_a_batch() {
    let env = Env::new().await;
    let runtime = env.runtime();
    let options = options();
    let batch = options.batch_uid;
    let runner = Arc::new(runner(&runtime, "both", None).await);
    let (summary, results) = env.run(runner, options, "slow\n".repeat(60), Stop::default()).await;
    assert!(is_complete(&summary), "{:?}", summary.end);
    assert_eq!((results.len(), env.starts()), (60, 2));
    let rows = env.rows(&runtime, batch).await;
    for server in ["a", "b"] {
        assert!(rows.iter().any(|row| row.server == server), "{server} has a part");
    }
}

#[tokio::test]
async fn a_model_that_starts_nowhere_ends_its_batch() {
    let env = Env::new().await;
    let runtime = env.runtime();
    fs::write(env.path("broken"), "").expect("written");
    let runner = Arc::new(runner(&runtime, "plain", None).await);
    let (summary, results) = env.run(runner, options(), items(10), Stop::default()).await;
    let BatchEnd::Failed(error) = &summary.end else { panic!("{:?}", summary.end) };
    assert!(error.to_string().contains("exited with code 5 before it was ready"), "{error}");
    assert_eq!((summary.failure_kind(), results.len(), env.starts()), (Some(FailureKind::ModelFailed), 0, 1));
}

#[tokio::test]
async fn a_batch_that_is_stopped_finishes_what_its_process_has() {
    let env = Env::new().await;
    let runtime = env.runtime();
    let runner_here = Arc::new(runner(&runtime, "plain", None).await);
    let stop = Stop::default();
    let stopping = async {
        while env.starts() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        stop.raise(StopLevel::Finish);
    };
    let input = "slow\n".repeat(400);
    let running = env.run(runner_here, options(), input.clone(), stop.clone());
    let ((summary, results), ()) = tokio::join!(running, stopping);
    assert!(matches!(summary.end, BatchEnd::Stopped(StopLevel::Finish)), "{:?}", summary.end);
    assert!((1..400).contains(&results.len()), "{}", results.len());
    assert!(results.iter().all(|result| result == "got slow"));
}
