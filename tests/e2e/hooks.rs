//! Commands that are run when a run is over: `--on-end` and `--on-failure`.

use std::{fs, os::unix::fs::PermissionsExt as _};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{TestEnv, pid_in, wait_gone};

/// A hook that notes its pid and goes on until it is told to end.
const LONG: &str =
    "sh -c 'trap \"echo asked; exit 7\" TERM; echo $$ > hook.pid; echo begun; while :; do sleep 0.05; done'";

const PICKY: &str = "[models.picky]\nshell = true\n\
    inferenceCommand = 'read -r line; [ \"$line\" != bad ] && echo \"got $line\"'\n";

fn object(env: &TestEnv, file: &str) -> Value {
    serde_json::from_str(&env.read(&format!("work/{file}"))).expect("one object")
}

#[test]
fn hooks_get_the_record_of_the_run() {
    let env = TestEnv::ready();
    let line = ["--on-end", "tee end.json", "--on-failure", "tee bad.json"];
    let ran = env.mer_args(&[&["run", "cat", "hi"][..], &line].concat()).ended(0);
    assert_eq!(ran.stdout, "hi\n", "what a hook prints is no output of the run");
    let row = env.row();
    let uid = row["requestUid"].as_str().expect("a uid").to_owned();
    assert!(ran.stderr.contains(&uid), "{}", ran.stderr);
    assert_eq!(object(&env, "end.json"), env.mer(["log", "show", &uid, "--json"]).object());
    assert!(!env.path("work/bad.json").exists());
    let ran = env.mer_args(&[&["run", "fail", "x", "--json"][..], &line].concat()).ended(1);
    let shown: Value = serde_json::from_str(&ran.stdout).expect("one object");
    let bad = object(&env, "bad.json");
    assert_eq!((&bad["status"], &bad["exitCode"]), (&"failed".into(), &3.into()));
    assert_eq!((&bad["requestUid"], &bad["stderrTail"]), (&shown["requestUid"], &shown["stderrTail"]));
    assert_eq!(object(&env, "end.json"), bad);
}

#[test]
fn a_hook_may_ask_the_log_for_the_run() {
    let env = TestEnv::ready();
    let ran = env.mer(["run", "fail", "x", "--on-failure", "mer log list --csv"]).ended(1);
    assert!(ran.stderr.contains(",failed,3,"), "{}", ran.stderr);
    assert_eq!(ran.stdout, "partial\n");
}

#[test]
fn what_becomes_of_a_hook_is_told_and_is_not_the_exit_code() {
    let env = TestEnv::ready();
    let plain = env.file("work/plain", "#!/bin/sh\n");
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).expect("a mode");
    for (hook, said) in [
        ("sh -c 'cat > \"two words\"'", ""),
        ("sh -c 'exit 3'", "mer: error: the command `sh` of `--on-end` failed: it exited with code 3\n"),
        ("sh -c 'kill -KILL $$'", "mer: error: the command `sh` of `--on-end` failed: it died by SIGKILL\n"),
        ("no-such-hook x", "mer: error: the command `no-such-hook` of `--on-end` could not be run: "),
        ("./plain", "mer: error: the command `./plain` of `--on-end` could not be run: "),
    ] {
        for (input, code) in [("cat", 0), ("suicide", 1)] {
            // What cron runs is to report a hook that failed, too.
            let ran = env.mer(["run", input, "x", "--quiet", "--on-end", hook]).ended(code);
            assert!(ran.stderr.starts_with(said), "{hook}: {}", ran.stderr);
            assert!(!said.is_empty() || code != 0 || ran.stderr.is_empty(), "{hook}: {}", ran.stderr);
        }
    }
    assert!(env.read("work/two words").contains("\"model\":\"suicide\""));
}

#[test]
fn a_hook_that_is_no_command_ends_the_line_before_anything_is_run() {
    let env = TestEnv::ready();
    env.file("work/in", "a\n");
    for hook in ["'", "", "''", "a \\"] {
        for line in [["run", "cat"], ["train", "cat"], ["batch", "cat"], ["wait", "0"], ["attach", "0"]] {
            let said = env.mer_args(&[&line[..], &["--on-failure", hook]].concat()).failed(64);
            assert!(said.contains("`--on-failure`"), "{said}");
        }
    }
    env.mer(["run", "cat", "x", "--detach", "--on-failure", "true"]).failed(64);
    assert!(env.rows().is_empty());
}

#[test]
fn a_failure_before_the_run_is_on_record_is_told_too() {
    let env = TestEnv::ready();
    let journal = env.path("data/mer/db.journal");
    let _ = fs::remove_dir_all(&journal);
    fs::write(&journal, "in the way").expect("a file");
    let ran = env.mer(["run", "cat", "x", "--on-failure", "tee bad.json"]).ended(74);
    assert_eq!(ran.stdout, "");
    let bad = object(&env, "bad.json");
    assert_eq!(
        (&bad["requestUid"], &bad["model"], &bad["status"], &bad["kind"]),
        (&Value::Null, &"cat".into(), &"failed".into(), &"infer".into())
    );
    assert!(bad["error"].as_str().is_some_and(|error| error.contains("could not be recorded")), "{bad}");
    env.mer(["run", "no-such-model", "x", "--on-failure", "tee bad.json"]).ended(66);
    assert!(object(&env, "bad.json")["error"].as_str().is_some_and(|error| error.contains("`no-such-model`")));
    env.mer(["run", "cat", "@missing", "--on-failure", "tee bad.json"]).ended(74);
    assert!(object(&env, "bad.json")["error"].as_str().is_some_and(|error| error.contains("`missing`")));
}

#[test]
fn a_signal_ends_the_hook_and_keeps_the_exit_code() {
    for (model, code) in [("cat", 0), ("suicide", 1)] {
        let env = TestEnv::ready();
        let live = env.start(["run", model, "x", "--on-end", LONG, "--on-failure", "tee bad.json"]);
        live.wait_stderr("begun\n");
        let hook = pid_in(&env.path("work/hook.pid"));
        live.signal(Signal::INT);
        let ran = live.finish().ended(code);
        assert!(ran.stderr.contains("asked\n"), "{}", ran.stderr);
        assert!(ran.stderr.contains("the command `sh` of `--on-end` was ended by a signal"), "{}", ran.stderr);
        wait_gone(hook);
        assert!(!env.path("work/bad.json").exists(), "no hook is begun after the signal");
    }
}

#[test]
fn a_run_that_a_signal_ended_has_failed() {
    let env = TestEnv::ready();
    let live = env.start(["run", "slow", "x", "--on-failure", "tee bad.json"]);
    live.wait_stdout("begun\n");
    live.signal(Signal::TERM);
    live.finish().ended(143);
    assert_eq!(object(&env, "bad.json")["status"], "cancelled");
}

#[test]
fn a_hook_ends_with_a_mer_that_is_killed() {
    let env = TestEnv::ready();
    let live = env.start(["run", "cat", "x", "--on-end", LONG]);
    live.wait_stderr("begun\n");
    let hook = pid_in(&env.path("work/hook.pid"));
    live.signal(Signal::KILL);
    wait_gone(hook);
}

#[test]
fn hooks_of_a_batch_get_its_summary() {
    let env = TestEnv::ready();
    env.apply(PICKY);
    env.file("work/in", "a\nbad\nb\n");
    let line = ["batch", "picky", "in", "-o", "out", "--on-failure", "tee bad.json", "--on-end", "tee end.json"];
    let ran = env.mer_args(&line).ended(1);
    assert!(ran.stdout.is_empty() && ran.stderr.contains("1 of 3 items failed"), "{}", ran.stderr);
    let bad = object(&env, "bad.json");
    assert_eq!((&bad["succeeded"], &bad["failed"], &bad["total"]), (&2.into(), &1.into(), &3.into()));
    assert_eq!((&bad["status"], &bad["error"]), (&"failed".into(), &"1 of 3 items failed".into()));
    assert_eq!((&bad["model"], object(&env, "end.json")), (&"picky".into(), bad.clone()));
    assert!(env.rows().iter().all(|row| row["batchUid"] == bad["batchUid"]));
    fs::remove_file(env.path("work/bad.json")).expect("removed");
    env.file("work/in", "a\n");
    env.mer_args(&[&line[..], &["--force", "--quiet"]].concat()).ended(0);
    assert_eq!(object(&env, "end.json")["status"], "succeeded");
    assert!(!env.path("work/bad.json").exists());
    env.mer(["batch", "picky", "missing", "--on-failure", "tee bad.json"]).ended(74);
    assert!(object(&env, "bad.json")["error"].as_str().is_some_and(|error| error.contains("`missing`")));
}

#[test]
fn a_training_has_hooks() {
    let env = TestEnv::ready();
    env.apply("[models.learns]\nshell = true\ninferenceCommand = 'cat'\ntrainCommand = 'cat > \"$MER_WEIGHTS_OUT\"'\n");
    let line = ["--on-end", "tee end.json", "--on-failure", "tee bad.json"];
    env.mer_args(&[&["train", "learns", "x"][..], &line].concat()).ended(0);
    let end = object(&env, "end.json");
    assert_eq!((&end["kind"], &end["weightsVersion"]), (&"train".into(), &1.into()));
    env.apply("[models.learns]\nshell = true\ninferenceCommand = 'cat'\ntrainCommand = 'cat > /dev/null'\n");
    env.mer_args(&[&["train", "learns", "x"][..], &line].concat()).ended(76);
    assert_eq!(object(&env, "bad.json"), object(&env, "end.json"));
    assert_eq!(object(&env, "bad.json")["status"], "failed");
}
