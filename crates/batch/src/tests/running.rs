//! Batches that run to their end.

use std::{fs, io::Cursor, sync::atomic::Ordering};

use super::{
    fake_runner::FakeRunner,
    harness::{Collected, Folder, answers, names, options, quiet, recording, run},
};
use crate::{
    Batch, BatchEnd, BatchError, Duplicates, Event, Input, InputFormat, Options, Output, OutputFormat, Runner, Stop,
};

fn lines(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("item {number}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_are_in_the_order_of_the_items() {
    let folder = Folder::new();
    let lines = lines(5000);
    folder.input(&lines);
    let runner = FakeRunner::new(4);
    let summary = folder.run(options(), &runner).await.unwrap();
    assert!(matches!(summary.end, BatchEnd::Complete), "{summary:?}");
    assert_eq!(folder.output(), answers(&lines));
    assert_eq!((summary.progress.succeeded, summary.progress.failed), (5000, 0));
    assert_eq!(summary.progress.total, Some(5000));
    assert_eq!(summary.progress.servers["here"].succeeded, 5000);
    assert_eq!(summary.failure_kind(), None);
    assert_eq!(runner.log.most_parts.load(Ordering::SeqCst), 4);
    assert!(runner.log.most_items.load(Ordering::SeqCst) <= 1000);
    let ledger = fs::metadata(folder.path("out.mer")).unwrap().len();
    assert!(ledger <= 64 * 5000, "{ledger} bytes");
    assert_eq!(names(folder.path("in").parent().unwrap()), ["in", "out", "out.mer"]);
}

#[tokio::test]
async fn a_slow_item_holds_the_others_back_and_they_follow_it() {
    let folder = Folder::new();
    folder.input(&["slow-a", "b", "c", "slow-d", "e"]);
    folder.run(options(), &FakeRunner::new(3)).await.unwrap();
    assert_eq!(folder.output(), answers(&["slow-a", "b", "c", "slow-d", "e"]));
}

#[tokio::test]
async fn without_order_results_come_as_they_are_ready() {
    let folder = Folder::new();
    folder.input(&["slow-a", "b", "c"]);
    folder.run(Options { unordered: true, record_each: true, ..options() }, &FakeRunner::new(2)).await.unwrap();
    let output = folder.output();
    assert!(output.starts_with("<B>\n") && output.ends_with("<SLOW-A>\n"), "{output}");
}

#[tokio::test]
async fn an_empty_input_has_an_empty_result() {
    let folder = Folder::new();
    folder.input(&[] as &[&str]);
    let runner = FakeRunner::new(2);
    let summary = folder.run(options(), &runner).await.unwrap();
    assert_eq!((folder.output().as_str(), summary.progress.total), ("", Some(0)));
    assert_eq!(runner.log.parts.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn streams_have_no_ledger_and_broken_ones_end_the_batch() {
    let collected = Collected::default();
    let input = || Input::Stream(Box::new(Cursor::new(b"a\nb\nc".to_vec())));
    let batch = Batch { options: options(), input: input(), output: Output::Stream(Box::new(collected.clone())) };
    let summary = run(batch, &FakeRunner::new(2)).await.unwrap();
    assert!(!summary.is_resumable && summary.progress.total.is_none());
    assert_eq!(*collected.0.lock().unwrap(), b"<A>\n<B>\n<C>\n");

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let batch = Batch { options: options(), input: input(), output: Output::Stream(Box::new(writer)) };
    let summary = run(batch, &FakeRunner::new(2)).await.unwrap();
    assert_eq!(summary.failure_kind(), Some(mer_core::FailureKind::ReaderGone), "{summary:?}");
}

#[tokio::test]
async fn results_as_json_have_all_fields() {
    let folder = Folder::new();
    folder.input(&[r#"{"n":7,"text":"a"}"#, r#"{"n":"x y""#, "fails-now"]);
    let base = Options { output_format: OutputFormat::Json, ..options() };
    let runner = FakeRunner::oneshots(1);
    folder.run(base, &runner).await.unwrap();
    let output = folder.output();
    let rows: Vec<serde_json::Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 3);
    assert!(output.starts_with("{\"id\":\""), "{output}");
    assert_eq!((&rows[0]["status"], &rows[0]["output"]), (&"succeeded".into(), &"<{\"N\":7,\"TEXT\":\"A\"}>".into()));
    assert_eq!((&rows[0]["attempt"], &rows[0]["server"], &rows[0]["runMs"]), (&1.into(), &"here".into(), &0.into()));
    assert_eq!(rows[0]["requestUid"].as_str().map(str::len), Some(36));
    assert_eq!((&rows[2]["status"], &rows[2]["message"]), (&"failed".into(), &"exit code 3".into()));
    assert!(rows[2]["output"].is_null());
}

#[tokio::test]
async fn a_folder_has_a_file_an_item_and_loses_those_whose_item_is_gone() {
    let folder = Folder::new();
    let batch = |options: Options| Batch {
        options: Options { input_format: InputFormat::JsonLines, id_field: Some("id".into()), ..options },
        input: Input::File(folder.path("in")),
        output: Output::Folder(folder.path("results")),
    };
    folder.input(&[r#"{"id":"a/b"}"#, r#"{"id":2}"#, r#"{"id":"c"}"#]);
    let runner = FakeRunner::new(2);
    run(batch(options()), &runner).await.unwrap();
    assert_eq!(names(&folder.path("results")), ["2", "a%2Fb", "c"]);
    assert_eq!(fs::read(folder.path("results/c")).unwrap(), b"<{\"ID\":\"C\"}>");
    let error = run(batch(options()), &runner).await.unwrap_err();
    assert!(matches!(error, BatchError::OutputExists { has_ledger: true, .. }), "{error}");

    // One is gone, one has another content, one is new, one lost its file, and one file is not of the batch.
    folder.input(&[r#"{"id":2}"#, r#"{"id":"c","more":1}"#, r#"{"id":"d"}"#]);
    fs::remove_file(folder.path("results/2")).unwrap();
    fs::write(folder.path("results/notes"), "mine").unwrap();
    let summary = run(batch(Options { resume: true, ..options() }), &runner).await.unwrap();
    assert_eq!(names(&folder.path("results")), ["2", "c", "d", "notes"]);
    assert_eq!(fs::read(folder.path("results/c")).unwrap(), b"<{\"ID\":\"C\",\"MORE\":1}>");
    assert_eq!((summary.progress.succeeded, summary.progress.kept), (3, 0));
    let summary = run(batch(Options { resume: true, ..options() }), &runner).await.unwrap();
    assert_eq!((summary.progress.succeeded, summary.progress.kept), (3, 3));
}

#[tokio::test]
async fn equal_items_share_a_result_or_are_run_each() {
    let folder = Folder::new();
    let lines = ["a", "b", "a", "fails-x", "a", "fails-x"];
    folder.input(&lines);
    let runner = FakeRunner::oneshots(2);
    let summary = folder.run(options(), &runner).await.unwrap();
    assert_eq!((runner.times("a"), summary.progress.succeeded, summary.progress.failed), (3, 4, 2));
    let first = folder.output();

    let runner = FakeRunner::oneshots(2);
    let shared = Options { duplicates: Duplicates::Share, force: true, ..options() };
    let summary = folder.run(shared.clone(), &runner).await.unwrap();
    assert_eq!((runner.times("a"), runner.times("fails-x")), (1, 1));
    assert_eq!((summary.progress.succeeded, summary.progress.failed), (4, 2));
    assert_eq!(folder.output(), first);

    let error = folder.run(Options { unordered: true, ..shared }, &runner).await.unwrap_err();
    assert!(matches!(error, BatchError::ShareNeedsFile), "{error}");
}

#[tokio::test]
async fn jobs_and_the_runner_bound_the_parts() {
    let folder = Folder::new();
    folder.input(&lines(200));
    let runner = FakeRunner::oneshots(8);
    folder.run(Options { jobs: Some(3), ..options() }, &runner).await.unwrap();
    assert!(runner.log.most_parts.load(Ordering::SeqCst) <= 3);
    assert_eq!(runner.log.parts.load(Ordering::SeqCst), 200);

    // Places that come later are used.
    let (places, capacity) = tokio::sync::watch::channel(0);
    let runner = FakeRunner::with_capacity(capacity);
    let batch = folder.batch(Options { force: true, ..options() });
    let task = tokio::spawn(batch.run(
        std::sync::Arc::new(runner.clone()) as std::sync::Arc<dyn Runner>,
        Stop::default(),
        quiet(),
    ));
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(runner.log.parts.load(Ordering::SeqCst), 0);
    places.send(2).unwrap();
    task.await.unwrap().unwrap();
    assert!((1..=2).contains(&runner.log.most_parts.load(Ordering::SeqCst)));
}

#[tokio::test]
async fn carriage_returns_are_kept_and_told() {
    let folder = Folder::new();
    fs::write(folder.path("in"), b"a\nb\r\n\0c").unwrap();
    let (observer, events) = recording();
    let runner = std::sync::Arc::new(FakeRunner::new(1));
    folder.batch(options()).run(runner, Stop::default(), observer).await.unwrap();
    assert_eq!(folder.output(), "<A>\n<B\r>\n<\0C>\n");
    let events = events.lock().unwrap();
    assert!(events.iter().any(|event| matches!(event, Event::CarriageReturn { line: 2 })), "{events:?}");
}
