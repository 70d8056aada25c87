//! Breaks in the field with processes and pipes, for `oneshot`.

mod common;

use std::{
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use bytes::Bytes;
use common::{bounds, collect, command, eventually, executor, run, runs, spec};
use mer_core::{Bound, Exit};
use mer_meal::{BoundName, Cancel, EndCause, Input, Sinks, StartError, oneshot};
use tokio::sync::mpsc;

#[tokio::test]
async fn the_input_comes_back_byte_for_byte() {
    let input: Vec<u8> = (0..3_000_000u32).map(|at| (at % 251) as u8).collect();
    let (ended, output) = run(&spec(&["echo"]), &input).await;
    assert_eq!((ended.cause, ended.exit), (EndCause::Done, Some(Exit::Code(0))));
    assert!(output == input);
    assert_eq!((ended.stdin_bytes, ended.stdout_bytes, ended.stderr_bytes), (3_000_000, 3_000_000, 0));
}

#[tokio::test]
async fn a_stream_comes_back_too_and_what_was_sent_is_seen() {
    let run = executor().start(&spec(&["echo"])).await.expect("starts");
    let (feed, input) = mpsc::channel(1);
    let (out, mut taken) = mpsc::channel::<Bytes>(1);
    let (seen, sent) = std::sync::mpsc::channel();
    let sinks = Sinks { stdout: out, sent: Some(Box::new(move |bytes| seen.send(bytes).expect("seen"))), stderr: None };
    let (limits, cancel) = (bounds(20_000), Cancel::new());
    let feeder = async {
        for at in 0..200u8 {
            feed.send(Ok(Bytes::from(vec![at; 10_000]))).await.expect("taken");
        }
        drop(feed);
    };
    let taker = async {
        let mut count = 0;
        while let Some(chunk) = taken.recv().await {
            count += chunk.len();
        }
        count
    };
    let (ended, (), count) = tokio::join!(oneshot(run, Input::Stream(input), sinks, &limits, &cancel), feeder, taker);
    assert_eq!((ended.cause, count), (EndCause::Done, 2_000_000));
    assert_eq!(sent.iter().map(|bytes| bytes.len()).sum::<usize>(), 2_000_000);
}

/// Stdout and stderr are drained together.
#[tokio::test]
async fn a_flood_on_both_pipes_does_not_hang() {
    let (ended, output) = run(&spec(&["flood", "2500000"]), b"").await;
    assert_eq!(ended.exit, Some(Exit::Code(0)));
    assert_eq!((output.len(), ended.stderr_bytes), (2_500_000, 5_000_000));
    assert_eq!(ended.stderr_tail.len(), 16 * 1024);
}

/// A model that exits without reading its input is no error, although `mer` gets a broken pipe.
#[tokio::test]
async fn a_model_that_exits_before_reading_is_judged_by_its_exit() {
    for (code, input) in [("0", 10_000_000), ("7", 10_000_000), ("7", 1)] {
        let (ended, _) = run(&spec(&["exit", code]), &vec![b'x'; input]).await;
        assert_eq!((ended.cause, ended.exit), (EndCause::Done, Some(Exit::Code(code.parse().expect("number")))));
    }
}

/// An input without an end (a terminal), and a model that ends without it.
#[tokio::test]
async fn an_input_that_never_ends_does_not_keep_a_model_that_ended() {
    let run = executor().start(&spec(&["exit", "0"])).await.expect("starts");
    let (_feed, input) = mpsc::channel(1);
    let (ended, _) = collect(run, Input::Stream(input), &bounds(20_000), &Cancel::new()).await;
    assert_eq!((ended.cause, ended.exit), (EndCause::Done, Some(Exit::Code(0))));
}

/// A model that waits on stdin gets its end of file; one that waits forever meets its bound.
#[tokio::test]
async fn a_model_that_neither_reads_nor_ends_meets_its_bound() {
    let mut spec = spec(&["sleep"]);
    spec.bounds = bounds(100);
    let (ended, _) = run(&spec, &vec![b'x'; 10_000_000]).await;
    let after = Duration::from_millis(100);
    assert_eq!(ended.cause, EndCause::Timeout { bound: BoundName::Timeout, after, no_reply: None });
    assert_eq!(ended.cause.to_string(), "`timeout` ran out after 100ms");
    assert_eq!(ended.exit, Some(Exit::Signal(15)));
}

/// A grandchild holds stdout after the model has ended.
#[tokio::test]
async fn a_grandchild_that_holds_the_pipe_is_given_a_moment_and_ended() {
    let begin = Instant::now();
    let (ended, output) = run(&spec(&["grandchild", "60"]), b"").await;
    assert_eq!((ended.cause, ended.exit), (EndCause::Done, Some(Exit::Code(0))));
    assert!(begin.elapsed() < Duration::from_secs(5));
    let pid = String::from_utf8(output).expect("text").trim().parse().expect("the grandchild's number");
    eventually("the grandchild is gone", || !runs(pid));
}

/// A grandchild that closed the pipes is ended together with the model.
#[tokio::test]
async fn a_grandchild_without_pipes_does_not_outlive_the_model() {
    let (ended, output) = run(&spec(&["daemon"]), b"").await;
    assert_eq!((ended.cause, ended.exit), (EndCause::Done, Some(Exit::Code(0))));
    let pid = String::from_utf8(output).expect("text").trim().parse().expect("the grandchild's number");
    eventually("the grandchild is gone", || !runs(pid));
}

/// A grandchild that is about to finish gets enough time.
#[tokio::test]
async fn a_grandchild_that_finishes_soon_is_heard() {
    let (_, output) = run(&spec(&["grandchild", "0.1"]), b"").await;
    assert!(output.ends_with(b"late\n"));
}

/// Death by a signal differs from an exit code; 126 and 127 are ordinary exit codes.
#[tokio::test]
async fn exits_and_signals_are_told_apart() {
    for code in [1, 126, 127, 137, 255] {
        let (ended, _) = run(&spec(&["exit", &code.to_string()]), b"").await;
        assert_eq!(ended.exit, Some(Exit::Code(code)));
    }
    let (ended, _) = run(&spec(&["signal"]), b"").await;
    assert_eq!((ended.cause, ended.exit), (EndCause::Done, Some(Exit::Signal(9))));
}

#[tokio::test]
async fn one_that_ignores_term_is_killed_after_its_grace() {
    let mut spec = spec(&["ignore-term"]);
    spec.bounds = bounds(300);
    let begin = Instant::now();
    let (ended, _) = run(&spec, b"").await;
    assert!(matches!(ended.cause, EndCause::Timeout { .. }));
    assert_eq!(ended.exit, Some(Exit::Signal(9)));
    assert!(begin.elapsed() >= Duration::from_millis(700));
}

#[tokio::test]
async fn cancelling_terms_and_cancelling_twice_kills() {
    let mut spec = spec(&["ignore-term"]);
    spec.bounds.grace = Duration::from_secs(60);
    let run = executor().start(&spec).await.expect("starts");
    let pid = run.control.pid();
    let (out, mut taken) = mpsc::channel::<Bytes>(4);
    let cancel = Cancel::new();
    let presses = async {
        assert_eq!(taken.recv().await.as_deref(), Some(&b"ready\n"[..]));
        cancel.press();
        tokio::task::yield_now().await;
        cancel.press();
    };
    let (ended, ()) =
        tokio::join!(oneshot(run, Input::Bytes(Bytes::new()), Sinks::stdout(out), &spec.bounds, &cancel), presses);
    assert_eq!((ended.cause, ended.exit), (EndCause::Cancelled, Some(Exit::Signal(9))));
    assert!(!runs(pid));
}

#[tokio::test]
async fn a_reader_that_goes_ends_the_model_quietly() {
    for args in [&["trickle"][..], &["say-and-sleep"]] {
        let run = executor().start(&spec(args)).await.expect("starts");
        let (out, mut taken) = mpsc::channel::<Bytes>(1);
        let (limits, cancel) = (bounds(20_000), Cancel::new());
        let reader = async move {
            assert!(taken.recv().await.is_some());
        };
        let (ended, ()) =
            tokio::join!(oneshot(run, Input::Bytes(Bytes::new()), Sinks::stdout(out), &limits, &cancel), reader);
        assert_eq!(ended.cause, EndCause::ReaderGone);
        assert!(matches!(ended.exit, Some(Exit::Signal(13 | 15))), "{:?}", ended.exit);
    }
}

#[tokio::test]
async fn a_slow_reader_gets_all_of_it_after_the_model_ended() {
    let run = executor().start(&spec(&["flood", "60000"])).await.expect("starts");
    let (out, mut taken) = mpsc::channel::<Bytes>(1);
    let (limits, cancel) = (bounds(20_000), Cancel::new());
    let reader = async move {
        // Longer than a pipe is waited for: all of the output is in the pipe by now, and the model has ended.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let mut count = 0;
        while let Some(chunk) = taken.recv().await {
            count += chunk.len();
        }
        count
    };
    let (ended, count) =
        tokio::join!(oneshot(run, Input::Bytes(Bytes::new()), Sinks::stdout(out), &limits, &cancel), reader);
    assert_eq!((ended.cause, ended.exit, count), (EndCause::Done, Some(Exit::Code(0)), 60_000));
}

#[tokio::test]
async fn dropping_a_run_kills_it() {
    let run = executor().start(&spec(&["ignore-term"])).await.expect("starts");
    let pid = run.control.pid();
    drop(run);
    eventually("the model is gone", || !runs(pid));
}

#[tokio::test]
async fn the_environment_is_the_specs_and_nothing_else() {
    let mut spec = spec(&["environment"]);
    spec.env.insert("A".into(), "b c\n$x".into());
    let (_, output) = run(&spec, b"").await;
    let text = String::from_utf8(output).expect("text");
    let (watch, rest): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("MER_WATCH="));
    assert_eq!((watch.len(), rest), (1, vec!["A=b c", "$x", "PATH=/usr/bin:/bin"]));
}

#[tokio::test]
async fn commands_are_found_as_a_shell_would_find_them() {
    let folder = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink(common::FAKE, folder.path().join("model")).expect("a link");
    let mut relative = command(&["./model", "where"]);
    relative.cwd = Some(folder.path().to_owned());
    let mut by_path = command(&["model", "where"]);
    by_path.cwd = Some(folder.path().to_owned());
    by_path.env.insert("PATH".into(), format!("/nowhere:{}", folder.path().display()).into());
    let mut by_empty_path = by_path.clone();
    by_empty_path.env.insert("PATH".into(), "/nowhere:".into());
    for spec in [relative, by_path, by_empty_path] {
        let (ended, output) = run(&spec, b"").await;
        assert_eq!(ended.exit, Some(Exit::Code(0)));
        let told = String::from_utf8(output).expect("text");
        assert_eq!(std::path::Path::new(told.trim()), folder.path().canonicalize().expect("canonical"));
    }
}

#[tokio::test]
async fn what_cannot_be_started_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, mode: u32, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("mode");
        path.display().to_string()
    };
    let plain = file("plain", 0o644, "x");
    let script = file("script", 0o755, "#!/no/such/python3 -u\n");
    let binary = file("binary", 0o755, "\x7fNOPE\n");
    let folder_path = folder.path().display().to_string();
    let refusals = [
        (
            vec!["no-such-thing"],
            "the command `no-such-thing` does not exist: looked in PATH `/usr/bin:/bin`".to_owned(),
        ),
        (vec!["/no/such/thing"], "the command `/no/such/thing` does not exist: looked in `/no/such`".to_owned()),
        (vec![plain.as_str()], format!("`{plain}` is not executable")),
        (vec![folder_path.as_str()], format!("`{folder_path}` is not executable")),
        (vec![script.as_str()], format!("`{script}` needs the interpreter `/no/such/python3`, which does not exist")),
        (
            vec![binary.as_str()],
            format!("`{binary}` is neither a program for this machine nor a script: it has no `#!` line"),
        ),
        (vec![], "the command names no program".to_owned()),
        (vec!["mer", "a\0b"], "the environment variable or argument `a\\0b` cannot be passed to a program".to_owned()),
    ];
    for (argv, message) in refusals {
        let error = executor().start(&command(&argv)).await.expect_err("refused");
        assert_eq!(error.to_string(), message);
    }
    let mut spec = command(&["true"]);
    spec.cwd = Some(folder.path().join("gone"));
    let error = executor().start(&spec).await.expect_err("refused");
    assert!(matches!(error, StartError::BadWorkingDirectory { .. }), "{error}");
    assert_eq!(executor().resolve(&command(&["sh"])).await.expect("sh").file_name(), Some("sh".as_ref()));
}

#[tokio::test]
async fn without_a_bound_nothing_runs_out() {
    let mut spec = spec(&["echo"]);
    spec.bounds.timeout = Bound::Never;
    assert_eq!(run(&spec, b"x").await.0.cause, EndCause::Done);
}

/// The exit status must not be lost if this process was started with SIGCHLD ignored, which is inherited.
#[test]
fn an_ignored_sigchld_costs_no_verdict() {
    for (args, told) in [(["exit", "7"].as_slice(), "exited with code 7\n"), (&["signal"], "died by SIGKILL\n")] {
        let output = std::process::Command::new("env")
            .args(["--ignore-signal=CHLD", common::FAKE, "parent-of"])
            .args(args)
            .output()
            .expect("env runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout), told);
    }
}

#[tokio::test]
async fn a_model_that_closes_stdout_and_works_on_is_waited_for() {
    let mut spec = spec(&["close-stdout"]);
    spec.bounds = bounds(200);
    assert!(matches!(run(&spec, b"").await.0.cause, EndCause::Timeout { .. }));
}

#[tokio::test]
async fn a_run_can_be_a_task_of_its_own() {
    let task = tokio::spawn(async { run(&spec(&["echo"]), b"x").await.1 });
    assert_eq!(task.await.expect("no panic"), b"x");
}
