//! `mer serve`, `mer ps`, `mer load` and `mer stop`.

use std::process::Stdio;

use super::support::Home;
use crate::support::{Live, alive, wait_gone, wait_until};

#[test]
fn without_a_resident_nothing_is_kept() {
    let home = Home::new();
    let ran = home.mer(["ps"]).ended(0);
    assert_eq!((ran.stdout.lines().count(), ran.stderr.as_str()), (1, "no resident is running\n"), "{}", ran.stdout);
    assert_eq!(home.mer(["ps", "--json"]).ok(), "");
    assert!(home.mer(["stop", "kept"]).failed(66).contains("no process of `kept` is kept"));
    home.mer(["stop", "--all"]).ended(0);
    assert!(home.mer(["stop"]).failed(64).contains("MODEL|ID"));
    assert!(home.mer(["--db", "mem://", "ps"]).failed(64).contains("a database in memory"));
}

#[test]
fn processes_are_loaded_listed_and_stopped() {
    let home = Home::new();
    let _resident = home.serve([]);
    let ran = home.mer(["load", "kept", "liner"]).ended(0);
    assert!(ran.stderr.contains("`kept` is loaded on `local`"), "{}", ran.stderr);
    let listed = home.mer(["ps", "--json"]).objects();
    let models: Vec<&str> = listed.iter().filter_map(|process| process["model"].as_str()).collect();
    assert_eq!(models, ["kept", "liner"]);
    let pid = listed[0]["pid"].as_u64().expect("a pid").try_into().expect("a pid");
    assert!(alive(pid));
    let table = home.mer(["ps"]).ok();
    assert!(table.starts_with("MODEL") && table.contains("ready"), "{table}");
    let id = listed[1]["id"].as_str().expect("an id");
    home.mer(["stop", "kept", id]).ended(0);
    wait_gone(pid);
    assert_eq!(home.mer(["ps", "--json"]).ok(), "");
    assert!(home.mer(["stop", "kept"]).failed(66).contains("`kept`"));
    assert!(home.mer(["load", "cat"]).failed(64).contains("cannot be kept"));
    assert!(home.mer(["load", "kepd"]).failed(66).contains("did you mean `kept`?"));
    // A model that cannot be loaded does not keep the others from it; each failure is told.
    let told = home.mer(["load", "kepd", "kept", "cat"]).failed(66);
    assert!(told.contains("`kepd`") && told.contains("`cat` cannot be kept"), "{told}");
    assert_eq!(home.mer(["ps", "--json"]).objects().len(), 1);
}

#[test]
fn a_second_resident_and_http_are_refused() {
    let home = Home::new();
    let _resident = home.serve([]);
    assert!(home.mer(["serve"]).failed(75).contains("is running already"));
    assert!(home.mer(["serve", "--http"]).failed(64).contains("not available yet"));
}

#[test]
fn it_is_ready_once_its_models_are_loaded_or_have_failed_to_be() {
    let home = Home::new();
    home.env.apply("[models.gated]\nprotocol = 'lines'\nshell = true\nkeepalive = '10m'\nreadyToken = 'READY'\ninferenceCommand = 'until [ -e go ]; do sleep 0.02; done; echo READY; while read -r x; do echo \"got $x\"; done'\n");
    let mut command = home.with(["serve", "--preload", "no-such", "--preload", "gated", "--idle-exit", "10m"]);
    command.current_dir(home.env.path("work"));
    let resident = Live::start(command, Stdio::null());
    let told = resident.wait_stderr("`no-such` could not be loaded");
    assert!(!told.contains("ready on"), "{told}");
    // Calls are answered meanwhile.
    wait_until("a model that is loaded", || {
        (home.ask("GET", "ps", "")?["processes"][0]["state"] == "starting").then_some(())
    });
    assert_eq!(home.mer(["run", "kept", "x"]).ok(), "got x\n");
    assert_eq!(home.via("kept"), "resident");
    home.env.file("work/go", "");
    resident.wait_stderr("ready on");
    let listed = home.mer(["ps", "--json"]).objects();
    let gated = listed.iter().find(|process| process["model"] == "gated").expect("a process");
    assert_eq!(gated["state"], "ready");
}

#[test]
fn models_are_loaded_at_the_start_and_idleness_ends_it() {
    let home = Home::new();
    let resident = home.serve(["--preload", "kept", "--idle-exit", "100ms"]);
    wait_until("a loaded model", || {
        home.mer(["ps", "--json"]).objects().iter().any(|process| process["state"] == "ready").then_some(())
    });
    home.mer(["stop", "--all"]).ended(0);
    resident.finish().ended(0);
    assert_eq!(home.socket(), None);
}
