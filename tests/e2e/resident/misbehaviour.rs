//! Models that die, do not load, or are changed while they are kept.

use std::{process::Stdio, time::Duration};

use super::support::Home;
use crate::support::{Live, alive, pid_in, wait_gone, wait_until};

/// Returns a kept model that a shell runs.
fn kept(name: &str, more: &str, command: &str) -> String {
    format!(
        "[models.{name}]\nprotocol = 'lines'\nshell = true\nkeepalive = '10m'\n{more}\ninferenceCommand = '''{command}'''\n"
    )
}

#[test]
fn a_model_that_dies_at_every_request_is_not_started_again_and_again() {
    let home = Home::new();
    let _resident = home.serve([]);
    home.env.apply(kept("mortal", "", "echo x >> starts; read -r x; echo \"last of $x\" >&2; exit 9"));
    for input in ["a", "b"] {
        let stderr = home.mer(["run", "mortal", input]).failed(1);
        assert!(stderr.contains("exited with code 9") && stderr.contains(&format!("last of {input}")), "{stderr}");
    }
    // The second death in a row begins a pause, and each further one a longer one.
    let (mut requests, mut refused) = (2, false);
    let listed = wait_until("a pause", || {
        let stderr = home.mer(["run", "mortal", "x"]).failed(1);
        assert!(stderr.contains("exited with code 9"), "{stderr}");
        requests += 1;
        refused |= stderr.contains("it is started again in");
        let listed = home.mer(["ps", "--json"]).objects();
        listed.into_iter().next().filter(|process| refused && process["state"] == "failed")
    });
    let starts = std::fs::read_to_string(home.env.path("work/starts")).expect("a file").lines().count();
    assert!(starts < requests, "{starts} starts for {requests} requests");
    assert_eq!(home.env.rows().len(), requests, "each of them is on record");
    assert_eq!((&listed["model"], &listed["pid"]), (&"mortal".into(), &serde_json::Value::Null));
    assert!(listed["until"].is_string(), "{listed:?}");
    assert!(listed["lastError"].as_str().is_some_and(|error| error.contains("code 9")), "{listed:?}");
    assert_eq!(home.mer(["run", "kept", "x"]).ok(), "got x\n", "the others are served");
}

#[test]
fn a_load_without_an_end_is_bounded_with_and_without_output() {
    let home = Home::new();
    let _resident = home.serve([]);
    let silent = kept("silent", "readyToken = 'READY'\nreadyTimeout = '400ms'", "echo $$ > silent.pid; sleep 600");
    let chatty = kept(
        "chatty",
        "readyToken = 'READY'\nreadyTimeout = '5s'\nstartTimeout = '1500ms'",
        "echo $$ > chatty.pid; while :; do echo loading >&2; sleep 0.1; done",
    );
    home.env.apply(silent + &chatty);
    for (model, bound) in [("silent", "readyTimeout"), ("chatty", "startTimeout")] {
        let stderr = home.mer(["run", model, "x"]).failed(124);
        assert!(stderr.contains(bound), "{model}: {stderr}");
        wait_gone(pid_in(&home.env.path(&format!("work/{model}.pid"))));
        assert!(home.mer(["load", model]).failed(124).contains(bound));
    }
}

#[test]
fn a_load_that_says_something_may_take_longer_than_its_silence() {
    let home = Home::new();
    let _resident = home.serve([]);
    home.env.apply(kept(
        "slow",
        "readyToken = 'READY'\nreadyTimeout = '2s'",
        "for i in 1 2 3 4 5 6; do echo $i >&2; sleep 0.5; done; echo READY; while read -r x; do echo \"got $x\"; done",
    ));
    assert_eq!(home.mer(["run", "slow", "x", "--quiet"]).ok(), "got x\n");
}

#[test]
fn a_model_that_is_changed_while_it_is_kept_is_started_anew() {
    let home = Home::new();
    let _resident = home.serve([]);
    let answer = |word: &str| kept("versed", "", &format!("while read -r x; do echo \"$$ {word}\"; done"));
    home.env.apply(answer("old"));
    let told = |home: &Home| {
        let told = home.mer(["run", "versed", "x"]).ok();
        let (pid, word) =
            told.trim().split_once(' ').map(|(pid, word)| (pid.to_owned(), word.to_owned())).expect("two");
        (pid.parse::<u32>().expect("a pid"), word)
    };
    let (old, word) = told(&home);
    assert_eq!((told(&home), word.as_str()), ((old, "old".to_owned()), "old"));
    // Through another `mer`, which finds the resident, and through one that does not look for it.
    home.env.file("work/models.toml", answer("new"));
    home.mer(["apply", "models.toml", "--allow-changes", "--quiet"]).ok();
    wait_gone(old);
    let (new, word) = told(&home);
    assert_eq!((new != old, word.as_str()), (true, "new"));
    home.env.apply(answer("newest"));
    // The registry that the resident acts on is a second old at most.
    std::thread::sleep(Duration::from_millis(1_100));
    let (newest, word) = told(&home);
    assert_eq!((newest != new, word.as_str()), (true, "newest"));
    wait_gone(new);
}

#[test]
fn a_model_that_is_removed_while_it_serves_finishes_and_is_gone() {
    let home = Home::new();
    let _resident = home.serve([]);
    home.env.apply(kept(
        "brief",
        "",
        "while read -r x; do echo $$ > brief.pid; while [ ! -e go ]; do sleep 0.05; done; echo \"got $x\"; done",
    ));
    let busy = Live::start(home.with(["run", "brief", "x"]), Stdio::null());
    let model = pid_in(&home.env.path("work/brief.pid"));
    home.mer(["model", "remove", "brief", "--allow-changes", "--quiet"]).ended(0);
    assert!(home.mer(["run", "brief", "y"]).failed(66).contains("`brief`"));
    assert!(alive(model), "its request goes on");
    home.env.file("work/go", "");
    assert_eq!(busy.finish().ok(), "got x\n");
    wait_gone(model);
    wait_until("an empty list", || home.mer(["ps", "--json"]).objects().is_empty().then_some(()));
}

#[test]
fn a_request_during_a_stop_gets_a_fresh_process() {
    let home = Home::new();
    let _resident = home.serve([]);
    home.env.apply(kept(
        "tidy",
        "grace = '60s'",
        "trap 'echo $$ > stopping.pid; while [ ! -e go ]; do sleep 0.05; done; exit 0' TERM; while :; do read -r x && echo $$; done",
    ));
    let first: u32 = home.mer(["run", "tidy", "x"]).ok().trim().parse().expect("a pid");
    let stop = Live::start(home.with(["stop", "tidy"]), Stdio::null());
    assert_eq!(pid_in(&home.env.path("work/stopping.pid")), first);
    let listed = home.mer(["ps", "--json"]).objects();
    assert_eq!(listed[0]["state"], "stopping", "{listed:?}");
    let during = Live::start(home.with(["run", "tidy", "y"]), Stdio::null());
    // It waits until the memory of the first one is free, or does not: in both cases it is not served by that one.
    home.env.file("work/go", "");
    let second: u32 = during.finish().ok().trim().parse().expect("a pid");
    assert_ne!(second, first);
    stop.finish().ended(0);
    wait_gone(first);
    assert!(alive(second));
}
