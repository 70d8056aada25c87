//! A run behind a launcher behaves as one over SSH.

use std::{fs, process::Stdio};

use rustix::process::Signal;
use serde_json::json;

use super::Home;
use crate::support::{Live, wait_gone};

#[test]
fn streams_environment_folder_and_exit_are_those_of_the_process_over_there() {
    let home = Home::new();
    let mut command = home.env.with(["run", "says", "some input"]);
    command.env("MARK", "of-this-machine");
    let ran = crate::support::run(command).ended(1);
    let pod = home.pod();
    assert_eq!(ran.stdout, format!("it's one {0} {0} none says\nsome input\n", pod.display()));
    // Nothing of the launcher's own words is taken for the model's.
    assert!(ran.stderr.starts_with("oops\nmer: `says` on `pod`: the model exited with code 3\n"), "{}", ran.stderr);
    let row = home.env.row();
    assert_eq!((&row["status"], &row["exitCode"], &row["stderrTail"]), (&json!("failed"), &json!(3), &json!("oops\n")));

    let bytes: Vec<u8> = (0..=255).cycle().take(3_000_000).collect();
    assert!(home.env.piped(["run", "cat", "-"], &bytes).ended(0).bytes == bytes, "the bytes differ");
    let told = home.env.mer(["run", "missing", "x"]).failed(78);
    assert!(told.contains("`no-such-program` does not exist: looked in the PATH of `pod`"), "{told}");
    let told = home.env.mer(["run", "nowhere", "x"]).failed(78);
    assert!(told.contains("the working directory `/no/such/folder` cannot be used"), "{told}");
}

#[test]
fn one_process_over_there_serves_the_calls_of_a_script_and_of_a_resident() {
    let home = Home::new();
    let told = home.env.script(&["run --no-serve liner a", "run --no-serve liner b"]).ended(0).stdout;
    let pids: Vec<&str> = told.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(pids.len() == 2 && pids[0] == pids[1], "{told}");
    wait_gone(pids[0].parse().expect("a pid"));

    let with = |args: &[&str]| {
        let mut command = home.env.with_args(args);
        command.env("MER_RUNTIME_DIR", home.env.path("runtime"));
        command
    };
    let resident = Live::start(with(&["serve"]), Stdio::null());
    resident.wait_stderr("ready on");
    let first = crate::support::run(with(&["run", "liner", "x"])).ok();
    assert_eq!(crate::support::run(with(&["run", "liner", "x"])).ok(), first);
    resident.signal(Signal::TERM);
    resident.finish().ended(0);
    wait_gone(first.split(' ').next().expect("a pid").parse().expect("a pid"));
}

#[test]
fn weights_go_there_and_come_from_there() {
    let home = Home::with("cacheDir = '~/cache'");
    let told = home.env.piped(["train", "weights", "--promote", "--allow-changes", "-"], "trained").ended(0).stdout;
    let folder = told.lines().next().expect("a line");
    let training = home.pod().join("cache/training");
    assert!(folder.starts_with(training.to_str().expect("text")), "{told}");
    assert_eq!(fs::read_dir(training).expect("a folder").count(), 0);
    let told = home.env.mer(["run", "weights", "x"]).ok();
    let (path, weights) = told.split_once('\n').expect("two lines");
    assert!(path.starts_with(home.pod().join("cache/weights").to_str().expect("text")), "{path}");
    assert_eq!(weights, "trained");
    assert_eq!(home.env.mer(["run", "weights", "x"]).ok(), told);
}

#[test]
fn a_detached_run_goes_on_over_there() {
    let home = Home::new();
    let uid = home.env.mer(["run", "keeps", "some input", "--detach", "--quiet"]).ok();
    let uid = uid.trim();
    let model = home.model();
    // Nothing of the launcher is needed for it to go on.
    for (launcher, _) in home.calls() {
        wait_gone(launcher);
    }
    assert!(crate::support::alive(model));
    assert!(home.env.mer(["ps"]).ended(0).stdout.contains("running"));
    fs::write(home.pod().join("go"), "").expect("a file");
    home.env.mer(["wait", uid]).ended(0);
    assert_eq!(home.env.mer(["attach", uid]).ok(), "some input\n");
    home.env.mer(["fetch", uid, "got"]).ended(0);
    assert_eq!(home.env.read("work/got/artefacts/note"), "kept\n");
    let row = home.env.row();
    assert_eq!((&row["status"], &row["via"]), (&json!("succeeded"), &json!("detached")));
}

#[test]
fn pings_and_the_doctor_start_a_process_there() {
    let home = Home::new();
    let steps = home.env.mer(["server", "ping", "pod", "--json"]).objects();
    let [step] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!((&step["step"], &step["code"]), (&json!("launcher"), &json!(0)), "{step}");
    assert!(step["detail"].as_str().is_some_and(|detail| detail.contains('@')), "{step}");
    let told = home.env.mer(["model", "ping", "cat"]).ok();
    assert!(told.contains("/cat"), "{told}");
    let told = home.env.mer(["doctor", "--json"]).stdout;
    assert!(told.contains("server pod"), "{told}");
    fs::remove_dir_all(home.pod()).expect("removed");
    let told = home.env.mer(["server", "ping", "pod"]).ended(69).stderr;
    assert!(told.contains("Error from server (NotFound)"), "{told}");
}

#[test]
fn secrets_are_on_no_command_line() {
    let home = Home::new();
    let live = home.env.start(["run", "waits", "x"]);
    live.wait_stdout("up\n");
    let lines = std::process::Command::new("ps").args(["-A", "-o", "args"]).output().expect("ps").stdout;
    assert!(!String::from_utf8_lossy(&lines).contains("open-sesame-4711"));
    live.signal(Signal::INT);
    live.finish().ended(130);
}
