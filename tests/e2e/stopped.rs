//! A `mer` that was suspended for a while (Ctrl-Z, a closed laptop, an overloaded machine) judges runs by what happened
//! meanwhile, and not by its clock.

use std::{path::Path, thread, time::Duration};

use rustix::process::Signal;

use crate::support::{Live, TestEnv, pid_in, wait_gone, wait_until};

/// Time of a suspension: longer than every bound of these tests.
const STOPPED: Duration = Duration::from_millis(2_600);

/// Models that create the file `begun` when they start.
const MODELS: &str = r#"
[models.brief]
timeout = "2s"
shell = true
inferenceCommand = "echo $$ > begun; sleep 0.5; echo done"

[models.exact]
timeout = "2s"
shell = true
inferenceCommand = "touch begun; sleep 0.5; echo done; exit 5"

[models.bulk]                                  # more than all pipes hold: it waits for its reader
timeout = "2s"
shell = true
inferenceCommand = "touch begun; sleep 0.5; head -c 3000000 /dev/zero"

[models.line]
protocol = "lines"
timeout = "2s"
shell = true
inferenceCommand = "while read -r x; do touch begun; sleep 0.5; echo \"A:$x\"; done"

[models.lineBulk]
protocol = "lines"
timeout = "2s"
shell = true
inferenceCommand = "while read -r x; do touch begun; sleep 0.5; head -c 3000000 /dev/zero | tr '\\0' x; echo; done"

[models.loading]
protocol = "lines"
readyToken = "READY"
readyTimeout = "2s"
shell = true
inferenceCommand = "touch begun; sleep 0.5; head -c 300000 /dev/zero; echo; echo READY; while read -r x; do echo \"A:$x\"; done"

[models.endless]
timeout = "2s"
grace = "500ms"
shell = true
inferenceCommand = "touch begun; exec sleep 600"
"#;

fn env() -> TestEnv {
    let env = TestEnv::ready();
    env.apply(MODELS);
    env
}

/// Suspends `mer` from the moment this file exists, which its model creates, until every bound has run out.
pub(crate) fn stop_over_the_bound(begun: &Path, live: &Live) {
    wait_until("the model", || begun.exists().then_some(()));
    live.signal(Signal::STOP);
    thread::sleep(STOPPED);
    live.signal(Signal::CONT);
}

#[test]
fn a_run_that_is_over_is_no_timeout_however_late_that_is_seen() {
    for (model, code, bytes) in [("brief", 0, 5), ("exact", 1, 5), ("bulk", 0, 3_000_000)] {
        let env = env();
        let live = env.start(["run", model, "x"]);
        stop_over_the_bound(&env.path("work/begun"), &live);
        let ran = live.finish().ended(code);
        assert_eq!(ran.bytes.len(), bytes, "{model}: {}", ran.stderr);
        let row = env.row();
        let status = if code == 0 { "succeeded" } else { "failed" };
        assert_eq!((&row["status"], &row["signal"]), (&status.into(), &serde_json::Value::Null), "{row}");
    }
}

#[test]
fn a_reply_that_has_come_is_no_timeout_whether_its_process_is_kept_or_not() {
    for model in ["line", "lineBulk"] {
        for script in [false, true] {
            let env = env();
            let mut live = if script { env.start([]) } else { env.start(["run", model, "x"]) };
            if script {
                live.say(format!("run {model} x\n"));
            }
            stop_over_the_bound(&env.path("work/begun"), &live);
            let ran = live.finish().ended(0);
            assert_eq!(ran.bytes.len(), if model == "line" { 4 } else { 3_000_001 }, "{model}");
            assert_eq!(env.row()["status"], "succeeded");
        }
    }
}

#[test]
fn a_process_that_has_become_ready_is_no_timeout() {
    let env = env();
    let live = env.start(["run", "loading", "x"]);
    stop_over_the_bound(&env.path("work/begun"), &live);
    assert_eq!(live.finish().ended(0).stdout, "A:x\n");
}

#[test]
fn a_run_that_is_over_was_not_cancelled_either() {
    let env = env();
    let live = env.start(["run", "brief", "x"]);
    let model = pid_in(&env.path("work/begun"));
    live.signal(Signal::STOP);
    wait_gone(model);
    live.signal(Signal::INT);
    live.signal(Signal::CONT);
    assert_eq!(live.finish().ended(0).stdout, "done\n");
    assert_eq!(env.row()["status"], "succeeded");
}

#[test]
fn a_run_that_is_not_over_is_a_timeout() {
    let env = env();
    let live = env.start(["run", "endless", "x"]);
    stop_over_the_bound(&env.path("work/begun"), &live);
    live.finish().ended(124);
    assert_eq!((&env.row()["status"], &env.row()["signal"]), (&"timeout".into(), &"SIGTERM".into()));
}
