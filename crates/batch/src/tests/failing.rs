//! Items that fail, and processes that die, hang and lie.

use std::{fs, sync::atomic::Ordering, time::Duration};

use mer_core::FailureKind;

use super::{
    fake_runner::FakeRunner,
    harness::{Folder, answers, options},
};
use crate::{BatchEnd, Options};

/// Lines with a special one in the middle of a part, and its result empty.
async fn with_one(special: &str, fails: bool) -> FakeRunner {
    let folder = Folder::new();
    let mut lines: Vec<String> = (0..50).map(|number| format!("item {number}")).collect();
    lines.insert(20, special.to_owned());
    folder.input(&lines);
    let runner = FakeRunner::new(1);
    let summary = folder.run(options(), &runner).await.unwrap();
    let mut expected: Vec<String> = answers(&lines).lines().map(str::to_owned).collect();
    if fails {
        expected[20].clear();
    }
    assert_eq!(folder.output().lines().collect::<Vec<_>>(), expected, "{special}");
    assert_eq!(
        (summary.progress.succeeded, summary.progress.failed),
        (51 - u64::from(fails), fails.into()),
        "{special}"
    );
    assert_eq!(summary.failure_kind(), fails.then_some(FailureKind::ModelFailed));
    runner
}

#[tokio::test]
async fn an_item_at_which_two_processes_die_fails_by_itself() {
    let runner = with_one("dies-x", true).await;
    assert_eq!(runner.times("dies-x"), 2);
    assert!(runner.times("item 40") <= 2);
}

#[tokio::test]
async fn an_item_at_which_one_process_dies_is_run_again() {
    assert_eq!(with_one("dies1-x", false).await.times("dies1-x"), 2);
}

#[tokio::test]
async fn processes_that_died_before_they_were_sent_an_item_do_not_count_unless_they_always_do() {
    let lines = ["unsent4-x", "a"];
    let folder = Folder::new();
    folder.input(&lines);
    let runner = FakeRunner::new(1);
    let summary = folder.run(options(), &runner).await.unwrap();
    assert_eq!((folder.output(), summary.progress.failed), (answers(&lines), 0));
    assert_eq!(runner.times("unsent4-x"), 5);

    let folder = Folder::new();
    folder.input(&["unsent-x", "a"]);
    let summary = folder.run(options(), &FakeRunner::new(1)).await.unwrap();
    assert_eq!((folder.output(), summary.progress.failed), ("\n<A>\n".to_owned(), 1));
}

#[tokio::test]
async fn an_answer_is_never_shifted() {
    with_one("chatty-x", true).await;
    with_one("silent-x", true).await;
    assert_eq!(with_one("chatty1-x", false).await.times("chatty1-x"), 2);
}

#[tokio::test]
async fn a_death_hides_no_line_too_many() {
    // The banner is the reply to its item, and the answer is left over when the process dies at the next one.
    let folder = Folder::new();
    let lines = ["a", "chatty1-x", "dies1-x", "b"];
    folder.input(&lines);
    folder.run(options(), &FakeRunner::new(1)).await.unwrap();
    assert_eq!(folder.output(), answers(&lines));
}

#[tokio::test]
async fn a_failure_and_a_timeout_are_of_one_item() {
    assert_eq!(with_one("fails-x", true).await.times("fails-x"), 1);
    // Among others, a line too few before it may be to blame.
    assert_eq!(with_one("late-x", true).await.times("late-x"), 2);
    with_one("lines-x", true).await;
}

#[tokio::test]
async fn retries_are_for_failures_that_may_pass_and_go_elsewhere() {
    let folder = Folder::new();
    folder.input(&["a", "flaky-x", "b", "dies-x"]);
    let errors = folder.path("errors");
    let runner = FakeRunner::oneshots(1);
    let summary = folder.run(Options { retries: 2, errors: Some(errors.clone()), ..options() }, &runner).await.unwrap();
    assert_eq!(folder.output(), "<A>\n<FLAKY-X>\n<B>\n\n");
    assert_eq!((summary.progress.succeeded, summary.progress.failed), (3, 1));
    assert_eq!((runner.times("flaky-x"), runner.times("dies-x")), (3, 4));
    let singles = runner.log.singles.lock().unwrap();
    let flaky: Vec<_> = singles.iter().filter(|(input, ..)| input.starts_with(b"flaky")).collect();
    assert_eq!(flaky.iter().map(|(_, attempt, _)| *attempt).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(flaky[2].2.as_deref(), Some("here"));
    let errors = fs::read_to_string(errors).unwrap();
    let rows: Vec<serde_json::Value> = errors.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 1, "{errors}");
    assert_eq!((&rows[0]["line"], &rows[0]["message"]), (&4.into(), &"the process died".into()));
}

#[tokio::test]
async fn an_outage_fails_no_item_and_a_long_one_ends_the_batch() {
    let folder = Folder::new();
    folder.input(&["a", "b"]);
    let runner = FakeRunner::new(1);
    runner.log.outage.store(3, Ordering::SeqCst);
    let summary = folder.run(options(), &runner).await.unwrap();
    assert_eq!((folder.output().as_str(), summary.failure_kind()), ("<A>\n<B>\n", None));

    runner.log.outage.store(usize::MAX, Ordering::SeqCst);
    let bound = Duration::from_millis(200);
    let cut = Options { unreachable_bound: bound, force: true, ..options() };
    let summary = folder.run(cut, &runner).await.unwrap();
    assert_eq!(summary.failure_kind(), Some(FailureKind::Unreachable), "{summary:?}");
    assert!(summary.is_resumable && matches!(summary.end, BatchEnd::Failed(_)));
    runner.log.outage.store(0, Ordering::SeqCst);
    folder.run(Options { resume: true, ..options() }, &runner).await.unwrap();
    assert_eq!(folder.output(), "<A>\n<B>\n");
}

#[tokio::test]
async fn what_no_attempt_can_mend_ends_the_batch() {
    let folder = Folder::new();
    folder.input(&["a", "b", "fatal-x", "c"]);
    let summary = folder.run(options(), &FakeRunner::oneshots(1)).await.unwrap();
    let BatchEnd::Failed(error) = &summary.end else { panic!("{summary:?}") };
    assert_eq!(error.to_string(), "the model is gone");
    assert_eq!(folder.output(), "<A>\n<B>\n");
}

#[tokio::test]
async fn items_that_cannot_be_read_fail_with_their_place() {
    let folder = Folder::new();
    fs::write(folder.path("in"), b"1\n{\"a\":\n\"\xff\"\n2 3\n\n[]\n").unwrap();
    let errors = folder.path("errors");
    let json = Options { input_format: crate::InputFormat::JsonLines, errors: Some(errors.clone()), ..options() };
    let summary = folder.run(json, &FakeRunner::new(2)).await.unwrap();
    assert_eq!(folder.output(), "<1>\n\n\n\n\n<[]>\n");
    assert_eq!(summary.progress.failed, 4);
    let errors = fs::read_to_string(errors).unwrap();
    for place in [
        "line 2, column 5: the JSON value does not",
        "line 3, byte 2: it is not valid UTF-8",
        "line 4, column 3: ",
        "line 5: it is empty",
    ] {
        assert!(errors.contains(place), "{place}: {errors}");
    }
}
