//! The output of `mer`: to which file, and when.

use std::{fs, os::unix::fs::symlink, process::Stdio};

use crate::support::{Live, TestEnv, run};

#[test]
fn standard_output_carries_the_models_bytes_and_nothing_else() {
    let env = TestEnv::ready();
    assert_eq!(env.mer(["run", "bytes"]).ended(0).bytes, b"\xff\xfex");
    let ran = env.mer(["run", "fail", "x"]).ended(1);
    assert_eq!(ran.stdout, "partial\n", "also of a run that failed");
    let ran = env.mer(["run", "rude", "x"]).ended(1);
    assert_eq!(ran.bytes, b"\x1b[2Jraw", "raw");
}

#[test]
fn an_output_file_appears_only_when_the_run_succeeded() {
    let env = TestEnv::ready();
    let files = |env: &TestEnv| {
        let entries = fs::read_dir(env.path("work")).expect("work");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("entry").file_name().into_string().expect("name")).collect();
        names.sort();
        names
    };
    assert_eq!(env.mer(["run", "fail", "x", "-o", "answer"]).ended(1).stdout, "");
    assert_eq!(env.mer(["run", "cat", "x", "-o", "no/folder/answer"]).ended(74).stdout, "");
    env.mer(["run", "nobody", "x", "-o", "answer"]).failed(66);
    assert_eq!(files(&env), [""; 0], "no answer, and no half of one");
    assert_eq!(env.mer(["run", "cat", "x", "-o", "answer"]).ok(), "");
    assert_eq!(env.read("work/answer"), "x\n");
    assert_eq!(env.mer(["run", "fail", "x", "--output", "answer"]).ended(1).stdout, "");
    assert_eq!(env.read("work/answer"), "x\n", "the answer of before stays");
    env.mer(["run", "cat", "longer and new", "-o", "answer"]).ok();
    assert_eq!(env.read("work/answer"), "longer and new\n");
    assert_eq!(files(&env), ["answer"]);
}

#[test]
fn an_output_file_of_a_cancelled_run_is_not_left_behind() {
    let env = TestEnv::ready();
    let live = env.start(["run", "slow", "x", "-o", "answer"]);
    crate::support::pid_in(&env.path("work/slow.pid"));
    live.signal(rustix::process::Signal::TERM);
    live.finish().ended(143);
    let left: Vec<_> = fs::read_dir(env.path("work")).expect("work").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["slow.pid"]);
}

#[test]
fn an_output_file_may_be_no_regular_file() {
    let env = TestEnv::ready();
    assert_eq!(env.mer(["run", "cat", "x", "-o", "/dev/null"]).ok(), "");
    let mut command = env.with(["run", "cat", "x", "-o", "/dev/stdout"]);
    command.env("NO_COLOR", "1");
    assert_eq!(run(command).ok(), "x\n");
    let told = env.mer(["run", "cat", "x", "-o", "/dev/full"]).failed(74);
    assert!(told.starts_with("mer: cannot write the output"), "{told}");
    assert!(fs::symlink_metadata("/dev/null").is_ok());
}

#[test]
fn an_output_file_behind_a_link_is_written_where_the_link_points() {
    let env = TestEnv::ready();
    env.file("work/target", "old");
    symlink(env.path("work/target"), env.path("work/link")).expect("link");
    env.mer(["run", "cat", "new", "-o", "link"]).ok();
    assert_eq!(env.read("work/link"), "new\n");
}

#[test]
fn a_full_disk_under_standard_output_is_74() {
    let env = TestEnv::ready();
    let full = fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    let told = Live::start_to(env.with(["run", "cat", "x"]), Stdio::null(), full).finish().ended(74).stderr;
    assert!(told.starts_with("mer: cannot write the output\ncaused by: "), "{told}");
    assert_eq!(env.rows().len(), 1);
}

#[test]
fn an_output_that_cannot_be_written_is_on_record_as_a_failure() {
    let env = TestEnv::ready();
    let full = || fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    let said = |error: &serde_json::Value| error.as_str().unwrap_or_default().to_owned();
    // A model that ends at once, one that never ends, and one that stays up.
    for words in [["run", "cat", "x"], ["run", "yes", "x"], ["run", "liner", "x"]] {
        Live::start_to(env.with(words), Stdio::null(), full()).finish().ended(74);
        let row = &env.rows()[0];
        assert_eq!(row["status"], "failed", "{words:?}: {row}");
        assert!(said(&row["error"]).starts_with("cannot write the output: No space left"), "{words:?}: {row}");
        let [verb, model, input] = words;
        env.mer([verb, model, input, "-o", "/dev/full"]).failed(74);
        let row = &env.rows()[0];
        assert_eq!(row["status"], "failed", "{words:?}: {row}");
        assert!(said(&row["error"]).contains("`/dev/full`: No space left"), "{words:?}: {row}");
    }
    Live::start_to(env.with(["run", "cat", "x", "--json"]), Stdio::null(), full()).finish().ended(74);
    assert_eq!(env.rows()[0]["status"], "succeeded", "JSON is told of what is on record");
    // The file cannot get its name, which shows only when all is written.
    env.apply("[models.mover]\nshell = true\ninferenceCommand = 'echo x; mkdir answer'\n");
    env.mer(["run", "mover", "-o", "answer"]).failed(74);
    assert_eq!(env.rows()[0]["status"], "failed");
}

#[test]
fn quiet_is_silent_on_success_and_explains_a_failure() {
    let env = TestEnv::ready();
    assert_eq!(env.mer(["--quiet", "run", "loud", "x"]).ok(), "answer\n");
    env.file("work/m.toml", "[models.m]\ninferenceCommand = ['cat']\n");
    assert_eq!(env.mer(["-q", "apply", "m.toml", "--allow-changes"]).ok(), "");
    assert_eq!(env.mer(["-q", "migrate"]).ok(), "");
    assert_eq!(env.mer(["-q", "model", "list"]).ok(), "");
    let told = env.mer(["run", "fail", "x", "--quiet"]).ended(1).stderr;
    assert!(told.contains("mer: `fail` on `local`: the model exited with code 3\n"), "{told}");
    assert!(told.contains("ValueError: boom"), "{told}");
}

#[test]
fn answers_and_diagnostics_stream_while_the_model_runs() {
    let env = TestEnv::ready();
    let live = env.start(["run", "waiting", "x"]);
    live.wait_stderr("loading\n");
    live.wait_stdout("first\n");
    env.file("work/go", "");
    let ran = live.finish().ended(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("first\nlast\n", "loading\n"));
}

#[test]
fn diagnostics_of_a_warm_model_are_shown_with_the_request_that_they_came_with() {
    let env = TestEnv::ready();
    let ran = env.script(&["run liner a", "run liner hint", "run liner b"]).ended(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("got a\nhinted\ngot b\n", "hint\n"));
    let tails: Vec<_> = env.rows().iter().map(|row| row["stderrTail"].clone()).collect();
    assert_eq!(tails, ["", "hint\n", ""]);
}

#[test]
fn the_last_16_kib_of_diagnostics_are_kept() {
    let env = TestEnv::ready();
    let ran = env.mer(["run", "loud", "x"]).ended(0);
    assert_eq!(ran.stdout, "answer\n");
    let row = env.row();
    assert_eq!(row["stderrBytes"], 262_144);
    assert_eq!(row["stderrTail"].as_str().expect("tail"), "e".repeat(16 * 1024));
}

#[test]
fn log_show_has_the_traceback() {
    let env = TestEnv::ready();
    env.mer(["run", "fail", "x"]).ended(1);
    let shown = env.mer(["log", "show"]).ok();
    assert!(
        shown.ends_with("stderr tail\n    Traceback (most recent call last):\n      line 1\n    ValueError: boom\n"),
        "{shown}"
    );
    for line in
        ["model        fail", "status       failed", "exit code    3", "error        the model exited with code 3"]
    {
        assert!(shown.lines().any(|shown| shown == line), "`{line}` is not in\n{shown}");
    }
}

#[test]
fn where_there_is_no_terminal_there_is_no_colour_and_no_prompt() {
    let env = TestEnv::ready();
    env.mer(["run", "fail", "x"]).ended(1);
    for args in [&["model", "list"][..], &["log", "list"], &["log", "show"], &["run", "nobody"], &["help"], &["modle"]]
    {
        let mut command = env.command();
        command.args(args).env("TERM", "xterm-256color").env("CLICOLOR_FORCE", "1");
        let ran = run(command);
        assert!(!ran.stdout.contains('\x1b') && !ran.stderr.contains('\x1b'), "{args:?}: {ran:?}");
    }
    assert_eq!(env.script(&["", "# nothing", "version --json"]).ok().lines().count(), 1);
}

#[test]
fn control_characters_are_escaped_in_tables() {
    let env = TestEnv::ready();
    let mut command = env.with(["run", "rude", "x"]);
    command.env("USER", "e\x1b[31mve");
    run(command).ended(1);
    for args in [["log", "list"], ["log", "show"]] {
        let shown = env.mer(args).ok();
        assert!(!shown.contains('\x1b') && !shown.contains('\x07'), "{shown:?}");
    }
    let shown = env.mer(["log", "show"]).ok();
    assert!(shown.contains("USER=e\\x1b[31mve"), "{shown}");
    assert!(shown.contains("bell \\x07 and \\x1b[31mred"), "{shown}");
}

#[test]
fn a_table_is_for_awk_as_well() {
    let env = TestEnv::ready();
    env.mer(["run", "cat", "x"]).ok();
    let list = env.mer(["model", "list"]).ok();
    assert!(list.lines().all(|line| line == line.trim_end()), "no blanks at the ends");
    let row = list.lines().find(|line| line.starts_with("cat ")).expect("cat");
    assert_eq!(row.split_whitespace().collect::<Vec<_>>()[..4], ["cat", "oneshot", "local", "cat"]);
}

#[test]
fn diagnostics_of_mer_go_to_stderr_as_lines_or_objects() {
    let env = TestEnv::ready();
    let ran = env.mer(["run", "cat", "x", "-vv"]).ended(0);
    assert_eq!(ran.stdout, "x\n");
    let mut command = env.with(["run", "cat", "x", "--log-format", "json"]);
    command.env("MER_LOG", "debug").env("MER_NONSENSE", "1");
    let ran = run(command).ended(0);
    assert_eq!(ran.stdout, "x\n");
    let lines: Vec<serde_json::Value> =
        ran.stderr.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert!(lines.iter().any(|line| line.to_string().contains("MER_NONSENSE")), "{lines:?}");
}
