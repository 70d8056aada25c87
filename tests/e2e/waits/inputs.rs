//! Inputs without data, and outputs without a reader.

use std::process::Stdio;

use serde_json::json;

use super::{ends_by_signals, pipe};
use crate::support::{Live, TestEnv};

/// The bound of a command: none, or a timeout and the status of the access that is recorded then, if any.
enum Bound {
    None,
    Timeout(Option<&'static str>),
}

/// Every command that reads or writes a named file, here `f`.
const COMMANDS: &[(&[&str], Bound)] = &[
    (&["run", "cat", "@f"], Bound::Timeout(Some("timeout"))),
    (&["run", "liner", "@f"], Bound::Timeout(Some("timeout"))),
    (&["train", "learner", "@f"], Bound::Timeout(Some("timeout"))),
    (&["run", "cat", "x", "-o", "f"], Bound::Timeout(None)),
    (&["apply", "f", "--allow-changes"], Bound::None),
    (&["import", "f", "--allow-changes"], Bound::None),
    (&["weights", "put", "cat", "f"], Bound::None),
    (&["weights", "get", "cat:1", "-o", "f"], Bound::None),
    (&["export", "-o", "f"], Bound::None),
    (&["export", "--all", "-o", "f"], Bound::None),
];

fn ready() -> TestEnv {
    let env = TestEnv::ready();
    let learner = ["model", "add", "learner", "--allow-changes", "--train-command", "cat", "--quiet", "--", "cat"];
    env.mer(learner).ended(0);
    env.piped(["weights", "put", "cat", "-", "--quiet"], "weights").ok();
    env
}

fn started(env: &TestEnv, words: &[&str], more: &[&str], stdin: Stdio) -> Live {
    Live::start(env.with_args(&[words, more].concat()), stdin)
}

#[test]
fn a_pipe_whose_other_end_never_comes_is_waited_for_within_the_bound() {
    let env = ready();
    pipe(&env.path("work/f"));
    let mut rows = 0;
    for (words, bound) in COMMANDS {
        let Bound::Timeout(status) = bound else { continue };
        let ran = started(&env, words, &["--timeout", "500ms"], Stdio::null()).finish().ended(124);
        assert!(ran.stderr.contains("`timeout` ran out after 500ms"), "{words:?}: {}", ran.stderr);
        rows += usize::from(status.is_some());
        let all = env.rows();
        assert_eq!(all.len(), rows, "{words:?}");
        if let Some(status) = status {
            assert_eq!(all[0]["status"], json!(status), "{words:?}");
        }
    }
}

#[test]
fn a_pipe_whose_other_end_never_comes_is_left_at_once_for_a_signal() {
    for (words, _) in COMMANDS {
        let env = ready();
        pipe(&env.path("work/f"));
        ends_by_signals(&format!("{words:?}"), || started(&env, words, &[], Stdio::null()));
        assert!(env.rows().iter().all(|row| row["status"] == "cancelled"), "{words:?}");
    }
}

#[test]
fn standard_input_that_never_ends_is_left_within_the_bound_and_for_a_signal() {
    let env = ready();
    let commands: &[(&[&str], bool)] = &[
        (&["run", "cat", "-"], true),
        (&["run", "liner", "-"], true),
        (&["run", "liner"], true),
        (&["train", "learner", "-"], true),
        (&["apply", "-", "--allow-changes"], false),
        (&["import", "-", "--allow-changes"], false),
        (&["weights", "put", "cat", "-"], false),
        (&[], false),
    ];
    for (words, is_bounded) in commands {
        // This end stays open while the command runs.
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        let stdin = || Stdio::from(reader.try_clone().expect("a pipe"));
        ends_by_signals(&format!("{words:?}"), || started(&env, words, &[], stdin()));
        if *is_bounded {
            let ran = started(&env, words, &["--timeout", "500ms"], stdin()).finish().ended(124);
            assert!(ran.stderr.contains("`timeout` ran out after 500ms"), "{words:?}: {}", ran.stderr);
            assert_eq!(env.rows()[0]["status"], "timeout", "{words:?}");
        }
    }
}

#[test]
fn a_reader_that_takes_nothing_does_not_hold_up_a_signal_or_a_bound() {
    let env = ready();
    let (_reader, writer) = std::io::pipe().expect("a pipe");
    let start = |more: &[&str]| {
        let mut command = env.with(["run", "yes"]);
        command.args(more);
        Live::start_to(command, Stdio::null(), writer.try_clone().expect("a pipe"))
    };
    ends_by_signals("run yes", || start(&[]));
    start(&["--timeout", "500ms"]).finish().ended(124);
    // Output that is still in the pipe when the model has ended must be taken too, or the run has failed.
    let ran = {
        let mut command = env.with(["run", "flood", "2000000", "--timeout", "2s"]);
        command.env("NO_COLOR", "1");
        Live::start_to(command, Stdio::null(), writer.try_clone().expect("a pipe")).finish()
    };
    assert_eq!(ran.code, Some(124), "{ran:?}");
    assert!(env.rows().iter().all(|row| row["status"] == "cancelled" || row["status"] == "timeout"));
}

#[test]
fn a_reader_that_takes_no_list_does_not_hold_up_a_signal() {
    let env = ready();
    // More bytes than a pipe holds.
    let models: String = (0..2000).map(|i| format!("[models.m{i}]\ninferenceCommand = ['cat', '{i}']\n")).collect();
    env.apply(models);
    let (_reader, writer) = std::io::pipe().expect("a pipe");
    for words in [&["model", "list", "--json"][..], &["export"]] {
        ends_by_signals(&format!("{words:?}"), || {
            Live::start_to(env.with_args(words), Stdio::null(), writer.try_clone().expect("a pipe"))
        });
    }
}

#[test]
fn a_pipe_whose_other_end_comes_is_read_to_its_end() {
    let env = ready();
    pipe(&env.path("work/f"));
    for words in [["run", "cat", "@f"], ["run", "liner", "@f"]] {
        let live = started(&env, &words, &[], Stdio::null());
        let path = env.path("work/f");
        std::thread::spawn(move || std::fs::write(path, "late\n").expect("written")).join().expect("writer");
        assert!(live.finish().ok().ends_with("late\n"), "{words:?}");
    }
}
