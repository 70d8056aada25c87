//! Batches that go on where others ended.

use std::fs;

use super::{
    fake_runner::FakeRunner,
    harness::{Folder, answers, names, options, resuming},
};
use crate::{BatchError, DryRun, Options, OutputFormat};

#[tokio::test]
async fn an_edited_input_gets_the_results_of_an_undisturbed_run() {
    let folder = Folder::new();
    let first: Vec<String> = (0..100).map(|number| format!("item {number}")).collect();
    folder.input(&first);
    let runner = FakeRunner::new(2);
    folder.run(options(), &runner).await.unwrap();
    // Removed, moved, inserted, doubled.
    let mut second = first.clone();
    second.remove(10);
    second.swap(20, 80);
    second.insert(50, "new".to_owned());
    second.push("item 3".to_owned());
    folder.input(&second);
    let summary = folder.run(resuming(), &runner).await.unwrap();
    assert_eq!(folder.output(), answers(&second));
    assert_eq!(summary.progress.kept, 99);
    assert_eq!((runner.times("item 99"), runner.times("new"), runner.times("item 3")), (1, 1, 2));
    assert_eq!(names(folder.path("in").parent().unwrap()), ["in", "out", "out.mer"]);
    // Nothing is left to do.
    let summary = folder.run(resuming(), &runner).await.unwrap();
    assert_eq!((summary.progress.kept, summary.progress.succeeded), (101, 101));
    folder.input(&second[..7]);
    let summary = folder.run(resuming(), &runner).await.unwrap();
    assert_eq!((folder.output(), summary.progress.kept), (answers(&second[..7]), 7));
}

#[tokio::test]
async fn failed_items_stay_failed_unless_asked_for() {
    let folder = Folder::new();
    folder.input(&["a", "fails-x", "b"]);
    let runner = FakeRunner::new(1);
    folder.run(options(), &runner).await.unwrap();
    let summary = folder.run(resuming(), &runner).await.unwrap();
    assert_eq!((summary.progress.kept, summary.progress.failed, runner.times("fails-x")), (3, 1, 1));
    for again in 2..4 {
        let summary = folder.run(Options { retry_failed: true, ..resuming() }, &runner).await.unwrap();
        assert_eq!((summary.progress.kept, summary.progress.failed, runner.times("fails-x")), (2, 1, again));
        assert_eq!((folder.output().as_str(), runner.times("b")), ("<A>\n\n<B>\n", 1));
    }
}

#[tokio::test]
async fn results_without_order_are_kept_where_they_are() {
    let folder = Folder::new();
    let unordered = |options| Options { unordered: true, ..options };
    folder.input(&["a", "b", "fails-x", "c", "d"]);
    let runner = FakeRunner::oneshots(2);
    folder.run(unordered(options()), &runner).await.unwrap();
    folder.input(&["d", "e", "fails-x", "a"]);
    let summary = folder.run(unordered(resuming()), &runner).await.unwrap();
    assert_eq!(summary.progress.kept, 3);
    let mut lines: Vec<String> = folder.output().lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["", "<A>", "<D>", "<E>"]);
    assert_eq!((runner.times("a"), runner.times("e")), (1, 1));
    // In order again, with the failed one run again.
    let summary = folder.run(Options { retry_failed: true, ..resuming() }, &runner).await.unwrap();
    assert_eq!((folder.output().as_str(), summary.progress.kept), ("<D>\n<E>\n\n<A>\n", 3));
    assert_eq!((runner.times("a"), runner.times("fails-x")), (1, 2));
    assert_eq!(names(folder.path("in").parent().unwrap()), ["in", "out", "out.mer"]);
}

#[tokio::test]
async fn a_torn_end_is_cut() {
    let folder = Folder::new();
    let lines = ["a", "b", "c", "d"];
    folder.input(&lines);
    let runner = FakeRunner::new(1);
    folder.run(options(), &runner).await.unwrap();
    let (out, ledger) = (fs::read(folder.path("out")).unwrap(), fs::read(folder.path("out.mer")).unwrap());
    for cut in 4096..=ledger.len() {
        // The ledger is written after the results.
        let torn_out = [out.as_slice(), b"<to"].concat();
        fs::write(folder.path("out"), torn_out).unwrap();
        fs::write(folder.path("out.mer"), &ledger[..cut]).unwrap();
        let summary = folder.run(resuming(), &runner).await.unwrap();
        assert_eq!((folder.output(), summary.progress.kept), (answers(&lines), ((cut - 4096) / 60) as u64), "{cut}");
    }
}

#[tokio::test]
async fn a_dry_run_says_what_a_batch_would_do_and_changes_nothing() {
    let folder = Folder::new();
    folder.input(&["a", "b", "fails-x", "c"]);
    let dry = |options| folder.batch(options).dry_run(false);
    let all = DryRun { items: 4, bytes: 10, to_run: 4, ..DryRun::default() };
    assert_eq!(dry(options()).unwrap(), all);
    assert_eq!(names(folder.path("in").parent().unwrap()), ["in"]);
    folder.run(options(), &FakeRunner::new(1)).await.unwrap();
    dry(options()).unwrap_err();
    let done = DryRun { kept: 4, kept_failed: 1, to_run: 0, ..all };
    assert_eq!(dry(resuming()).unwrap(), done);
    let again = DryRun { kept: 3, to_run: 1, dropped: 1, ..all };
    assert_eq!(dry(Options { retry_failed: true, ..resuming() }).unwrap(), again);
    let json = Options { output_format: OutputFormat::Json, ..resuming() };
    assert!(matches!(dry(json.clone()), Err(BatchError::OtherSubject { what: "output format", .. })));
    assert_eq!(folder.batch(json).dry_run(true).unwrap(), done);
    let before = (folder.output(), fs::read(folder.path("out.mer")).unwrap());
    folder.input(&["a", "new", "c", "a"]);
    let edited = DryRun { items: 4, bytes: 6, repeated: 1, kept: 2, to_run: 2, dropped: 2, ..DryRun::default() };
    assert_eq!(dry(resuming()).unwrap(), edited);
    assert_eq!(before, (folder.output(), fs::read(folder.path("out.mer")).unwrap()));
    fs::write(folder.path("out"), "edited").unwrap();
    dry(resuming()).unwrap_err();
}
