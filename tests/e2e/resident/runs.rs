//! Runs through a resident.

use rustix::process::Signal;

use super::support::Home;
use crate::support::{Live, OnScreen, alive, pid_in, wait_gone, wait_until};

#[test]
fn separate_calls_share_a_process() {
    let home = Home::new();
    let resident = home.serve([]);
    let first = home.mer(["run", "kept", "pid"]).ok();
    let again = home.mer(["run", "kept", "pid", "--on-end", "sh -c 'cat > end.json'", "--on-failure", "false"]);
    assert_eq!(again.ok(), first);
    assert_eq!(home.via("kept"), "resident");
    assert!(home.env.read("work/end.json").contains("\"via\":\"resident\""));
    let (_, shown) = OnScreen::start(home.with(["ps"]), std::process::Stdio::null(), (24, 200)).finish();
    assert!(shown.contains(" MiB  ") && !shown.contains("Z  "), "{shown}");
    let row = home.env.rows().remove(0);
    assert_ne!(row["callerPid"], resident.pid(), "the caller is the one that asked");
    assert_eq!(home.mer(["run", "cat", "x"]).ok(), "x\n");
    assert!(home.via("cat").is_null(), "an oneshot of this machine runs in the caller");
    let shown = home.mer(["run", "kept", "pid", "--no-serve"]).ok();
    assert_ne!(shown, first);
    assert!(home.via("kept").is_null());
    drop(resident);
    wait_gone(first.trim().parse().expect("a pid"));
}

#[test]
fn lines_of_a_script_share_it_too_and_go_on_when_it_leaves() {
    let home = Home::new();
    let resident = home.serve([]);
    let first = home.mer(["run", "kept", "pid"]).ok();
    let mut script = Live::start(home.with([]), std::process::Stdio::piped());
    script.say("run kept pid\n");
    assert_eq!(script.wait_stdout("\n"), first);
    drop(resident);
    // The script may not start one: it is told so by the variable of a service.
    script.say("run kept again --no-serve\n");
    script.wait_stdout("got again\n");
    script.finish().ended(0);
}

#[test]
fn a_process_belongs_to_a_folder_and_a_virtual_environment() {
    let home = Home::new();
    home.mer(["model", "set", "kept", "--instances", "3", "--allow-changes", "--quiet"]).ok();
    let _resident = home.serve([]);
    let first = home.mer(["run", "kept", "pid"]).ok();
    let mut other = home.with(["run", "kept", "env"]);
    other.env("VIRTUAL_ENV", "/venv");
    assert_eq!(crate::support::run(other).ok(), "/venv\n");
    std::fs::create_dir(home.env.path("elsewhere")).expect("a folder");
    let mut other = home.with(["run", "kept", "where"]);
    other.current_dir(home.env.path("elsewhere"));
    assert!(crate::support::run(other).ok().ends_with("/elsewhere\n"));
    assert_eq!(home.mer(["run", "kept", "pid"]).ok(), first, "there is room for all three");
    home.mer(["model", "set", "kept", "--instances", "1", "--allow-changes", "--quiet"]).ok();
    let alone = home.mer(["run", "kept", "pid"]).ok();
    assert_eq!(home.mer(["run", "kept", "pid"]).ok(), alone);
    let mut other = home.with(["run", "kept", "env"]);
    other.env("VIRTUAL_ENV", "/venv");
    assert_eq!(crate::support::run(other).ok(), "/venv\n", "it takes the only place");
    wait_gone(alone.trim().parse().expect("a pid"));
}

#[test]
fn a_signal_ends_the_run_and_not_the_resident() {
    let home = Home::new();
    let resident = home.serve([]);
    let run = Live::start(home.with(["run", "kept", "never"]), std::process::Stdio::null());
    let model = pid_in(&home.env.path("work/never.pid"));
    run.signal(Signal::INT);
    let ran = run.finish().ended(130);
    assert!(ran.stderr.contains("cancelled by"), "{}", ran.stderr);
    wait_gone(model);
    assert_eq!(home.mer(["run", "kept", "x"]).ok(), "got x\n");
    assert!(alive(resident.pid()));
}

#[test]
fn a_resident_that_dies_in_the_middle_is_69_and_its_models_are_gone() {
    let home = Home::new();
    let resident = home.serve([]);
    let line = ["run", "kept", "never", "--on-failure", "tee bad.json"];
    let run = Live::start(home.with(line), std::process::Stdio::null());
    let model = pid_in(&home.env.path("work/never.pid"));
    resident.signal(Signal::KILL);
    let stderr = run.finish().failed(69);
    assert!(stderr.contains("the resident is gone"), "{stderr}");
    wait_gone(model);
    wait_until("a row that is lost", || (home.env.row()["status"] == "lost").then_some(()));
    let bad: serde_json::Value = serde_json::from_str(&home.env.read("work/bad.json")).expect("one object");
    assert_eq!((&bad["status"], &bad["requestUid"]), (&"unreachable".into(), &home.env.row()["requestUid"]));
    assert_eq!(home.mer(["run", "kept", "x", "--no-serve"]).ok(), "got x\n");
}

#[test]
fn with_retries_a_resident_that_dies_is_followed_by_an_attempt_without_it() {
    let home = Home::new();
    let resident = home.serve([]);
    let mut run = Live::start(home.with(["run", "kept", "-", "--retries", "1"]), std::process::Stdio::piped());
    run.say("once\n");
    drop(run.take_stdin());
    let model = pid_in(&home.env.path("work/once.pid"));
    resident.signal(Signal::KILL);
    let ran = run.finish().ended(0);
    assert_eq!(ran.stdout, "twice\n");
    assert!(ran.stderr.contains("trying again without it"), "{}", ran.stderr);
    wait_gone(model);
    let rows = wait_until("both attempts", || {
        let rows = home.env.rows();
        (rows.len() == 2 && rows.iter().all(|row| row["status"] != "started")).then_some(rows)
    });
    assert_eq!(rows[0]["requestUid"], rows[1]["requestUid"]);
    let attempts: Vec<_> = rows.iter().map(|row| (row["attempt"].clone(), row["status"].clone())).collect();
    assert_eq!(attempts, [(2.into(), "succeeded".into()), (1.into(), "lost".into())]);
}
