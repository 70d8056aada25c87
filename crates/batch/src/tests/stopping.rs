//! Halting, stopping, dropping.

use std::{
    fs,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use mer_core::FailureKind;

use super::{
    fake_runner::FakeRunner,
    harness::{Folder, answers, options, quiet, resuming, run},
};
use crate::{Batch, BatchEnd, BatchError, Input, InputFormat, Options, Output, Runner, Stop, StopLevel, Summary};

/// Runs a batch, and raises the stop to these levels one after the other.
async fn stopped(folder: &Folder, runner: &FakeRunner, levels: &[StopLevel]) -> Summary {
    let stop = Stop::default();
    let runner = Arc::new(runner.clone()) as Arc<dyn Runner>;
    let task = tokio::spawn(folder.batch(options()).run(runner, stop.clone(), quiet()));
    for level in levels {
        tokio::time::sleep(Duration::from_millis(150)).await;
        stop.raise(*level);
    }
    task.await.unwrap().unwrap()
}

#[tokio::test]
async fn the_first_stop_finishes_what_runs_and_the_second_ends_it() {
    let folder = Folder::new();
    let lines: Vec<String> = (0..20).map(|number| format!("slow-{number}")).collect();
    folder.input(&lines);
    let runner = FakeRunner::oneshots(2);
    let summary = stopped(&folder, &runner, &[StopLevel::Finish]).await;
    assert!(matches!(summary.end, BatchEnd::Stopped(StopLevel::Finish)), "{summary:?}");
    assert_eq!((summary.failure_kind(), summary.is_resumable), (Some(FailureKind::Cancelled), true));
    assert_eq!(folder.output(), answers(&lines[..2]));

    folder.run(resuming(), &FakeRunner::oneshots(20)).await.unwrap();
    assert_eq!(folder.output(), answers(&lines));

    let folder = Folder::new();
    folder.input(&["a", "hangs-x", "b"]);
    let summary = stopped(&folder, &FakeRunner::oneshots(2), &[StopLevel::Finish, StopLevel::End]).await;
    assert!(matches!(summary.end, BatchEnd::Stopped(_)), "{summary:?}");
    assert_eq!(folder.output(), "<A>\n");
}

/// A stream that takes nothing until its sender is dropped.
struct Stuck(std::sync::Mutex<std::sync::mpsc::Receiver<()>>);

impl std::io::Write for Stuck {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        let _ = self.0.lock().unwrap().recv();
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs a batch that is stuck, and raises the stop to the last level.
async fn stopped_although_stuck(batch: Batch) -> Summary {
    let stop = Stop::default();
    let task = tokio::spawn(batch.run(Arc::new(FakeRunner::new(1)), stop.clone(), quiet()));
    for level in [StopLevel::Finish, StopLevel::End] {
        tokio::time::sleep(Duration::from_millis(150)).await;
        stop.raise(level);
    }
    let ended = tokio::time::timeout(Duration::from_secs(30), task).await;
    ended.expect("it ends although its results are not taken").unwrap().unwrap()
}

#[tokio::test]
async fn results_that_are_not_taken_and_inputs_that_do_not_come_hold_up_no_end() {
    let folder = Folder::new();
    let lines: Vec<String> = (0..2000).map(|number| format!("{number} {}", "x".repeat(20_000))).collect();
    for lines in [&lines[..1], &lines] {
        folder.input(lines);
        let (sender, receiver) = std::sync::mpsc::channel();
        let stuck = Output::Stream(Box::new(Stuck(receiver.into())));
        let summary = stopped_although_stuck(Batch { output: stuck, ..folder.batch(options()) }).await;
        assert!(matches!(summary.end, BatchEnd::Stopped(_)) && !summary.is_resumable, "{summary:?}");
        drop(sender);
    }
    // A named pipe without a reader.
    rustix::fs::mkfifoat(rustix::fs::CWD, folder.path("pipe"), rustix::fs::Mode::RWXU).unwrap();
    let summary =
        stopped_although_stuck(Batch { output: Output::File(folder.path("pipe")), ..folder.batch(options()) }).await;
    assert!(matches!(summary.end, BatchEnd::Stopped(_)) && !summary.is_resumable, "{summary:?}");
    // Fewer items than there are results, and no more for now.
    folder.input(&["a", "b"]);
    folder.run(options(), &FakeRunner::new(1)).await.unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut writer, b"a\n").unwrap();
    let input = Input::Open(std::os::fd::OwnedFd::from(reader).into());
    let summary = stopped_although_stuck(Batch { input, ..folder.batch(resuming()) }).await;
    assert!(matches!(summary.end, BatchEnd::Stopped(_)) && summary.is_resumable, "{summary:?}");
    drop(writer);
}

#[tokio::test]
async fn halting_counts_failures_successes_and_all() {
    let folder = Folder::new();
    let lines = ["a", "fails-1", "b", "fails-2", "c", "fails-3", "d", "e", "f", "g"];
    folder.input(&lines);
    for (policy, over) in [
        ("soon,fail=2", 4),
        ("now,fail=1", 2),
        ("soon,success=3", 5),
        ("soon,done=1", 1),
        ("now,fail=30%", 6),
        ("soon,done=50%", 5),
        ("soon,fail=100%", 10),
    ] {
        let halting = Options { halt: Some(policy.parse().unwrap()), force: true, ..options() };
        let summary = folder.run(halting, &FakeRunner::oneshots(1)).await.unwrap();
        assert_eq!(summary.progress.succeeded + summary.progress.failed, over, "{policy}");
        assert_eq!(matches!(summary.end, BatchEnd::Halted(_)), over < 10, "{policy}: {summary:?}");
        assert_eq!(folder.output().lines().count() as u64, over, "{policy}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_whose_future_is_dropped_can_be_resumed() {
    let folder = Folder::new();
    let mut lines: Vec<String> = (0..500).map(|number| format!("item {number}")).collect();
    lines.insert(250, "slow-x".to_owned());
    folder.input(&lines);
    let runner = FakeRunner::oneshots(2);
    let running = folder.batch(options()).run(Arc::new(runner.clone()), Stop::default(), quiet());
    let dropped = tokio::time::timeout(Duration::from_millis(150), running).await;
    assert!(dropped.is_err(), "it was still running");
    // The thread that writes holds the lock until it has ended.
    let summary = loop {
        match folder.run(resuming(), &runner).await {
            Err(BatchError::Locked { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
            other => break other.unwrap(),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(folder.output(), answers(&lines));
    assert!(summary.progress.kept > 0, "{summary:?}");
}

#[tokio::test]
async fn a_running_batch_locks_its_results() {
    let folder = Folder::new();
    folder.input(&["slow-a"]);
    let runner = FakeRunner::new(1);
    let first = folder.run(options(), &runner);
    let second = async {
        while runner.log.parts.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (folder.run(resuming(), &runner).await, folder.run(Options { force: true, ..options() }, &runner).await)
    };
    let (first, (second, third)) = tokio::join!(first, second);
    first.unwrap();
    for error in [second.unwrap_err(), third.unwrap_err()] {
        assert!(error.to_string().contains(&format!("(pid {})", std::process::id())), "{error}");
        assert_eq!(mer_core::Classified::failure_kind(&error), FailureKind::Busy);
    }
    assert_eq!(folder.output(), "<SLOW-A>\n");
}

#[tokio::test]
async fn equal_ids_stop_a_file_before_it_begins_and_a_pipe_where_they_are_met() {
    let folder = Folder::new();
    let rows = [r#"{"id":1}"#, r#"{"id":2}"#, r#"{"id":1}"#];
    folder.input(&rows);
    let runner = FakeRunner::oneshots(1);
    let json = || Options { input_format: InputFormat::JsonLines, id_field: Some("id".into()), ..options() };
    let error = folder.run(json(), &runner).await.unwrap_err();
    assert_eq!(error.to_string(), "line 3: the id `1` is that of item 1 already");
    assert!(!folder.path("out").exists() && !folder.path("out.mer").exists());

    let input = Input::Stream(Box::new(std::io::Cursor::new(rows.join("\n").into_bytes())));
    let batch = Batch { options: json(), input, output: Output::File(folder.path("out")) };
    let summary = run(batch, &runner).await.unwrap();
    assert_eq!(summary.failure_kind(), Some(FailureKind::Input), "{summary:?}");

    fs::write(folder.path("in"), "{\"id\":1}\n{\"x\":2}\n").unwrap();
    let error = folder.run(Options { force: true, ..json() }, &runner).await.unwrap_err();
    assert!(error.to_string().starts_with("line 2: the item has no id: the field `id`"), "{error}");
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_noticed() {
    let folder = Folder::new();
    // More than the window holds, so that reading cannot come to an end before the first item.
    let mut lines: Vec<String> = (0..800).map(|number| format!("{number} {}", "x".repeat(50_000))).collect();
    lines[0] = "gated-x".to_owned();
    folder.input(&lines);
    let runner = FakeRunner::new(2);
    let task = tokio::spawn(folder.batch(options()).run(Arc::new(runner.clone()), Stop::default(), quiet()));
    while runner.times("gated-x") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let file = fs::File::options().append(true).open(folder.path("in")).unwrap();
    std::io::Write::write_all(&mut &file, b"more\n").unwrap();
    runner.log.gate.send_replace(true);
    let summary = task.await.unwrap().unwrap();
    let BatchEnd::Failed(error) = &summary.end else { panic!("{:?}", summary.end) };
    assert!(matches!(error, BatchError::InputChanged { .. }), "{error}");
    assert!(summary.is_resumable);
    // Results before that are those of the first items.
    assert!(answers(&lines).starts_with(&folder.output()));
}
