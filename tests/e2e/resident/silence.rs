//! A resident that was stopped (SIGSTOP) in the middle of a run, and one that dies between two attempts.

use std::{process::Stdio, thread, time::Duration};

use rustix::process::Signal;

use super::support::Home;
use crate::support::{Live, Ran, alive, pid_in, wait_gone, wait_until};

/// Presses Ctrl-C until the caller has ended: two that come at once are one.
fn press_until_over(mut run: Live) -> Ran {
    wait_until("the end of the caller", || {
        if run.is_over() {
            return Some(());
        }
        run.signal(Signal::INT);
        thread::sleep(Duration::from_millis(50));
        None
    });
    run.finish()
}

/// Starts a run that goes on for ever, stops its resident, and ends the caller. Returns the process of the model.
fn caller_of_a_stopped_resident(home: &Home, resident: &Live) -> u32 {
    let run = Live::start(home.with(["run", "kept", "never"]), Stdio::null());
    let model = pid_in(&home.env.path("work/never.pid"));
    resident.signal(Signal::STOP);
    let stderr = press_until_over(run).failed(130);
    assert!(stderr.contains("`kept` is given up: the resident does not answer"), "{stderr}");
    assert!(alive(model), "it belongs to the resident");
    model
}

#[test]
fn a_second_ctrl_c_ends_the_caller_and_the_resident_that_wakes_up_ends_the_model() {
    let home = Home::new();
    let resident = home.serve([]);
    let model = caller_of_a_stopped_resident(&home, &resident);
    resident.signal(Signal::CONT);
    wait_gone(model);
    wait_until("the record", || (home.env.row()["status"] == "cancelled").then_some(()));
    assert_eq!(home.mer(["run", "kept", "x"]).ok(), "got x\n");
    assert_eq!(home.via("kept"), "resident");
}

#[test]
fn if_it_never_wakes_up_the_run_is_lost() {
    let home = Home::new();
    let resident = home.serve([]);
    let model = caller_of_a_stopped_resident(&home, &resident);
    resident.signal(Signal::KILL);
    wait_gone(model);
    wait_until("the record", || (home.env.row()["status"] == "lost").then_some(()));
}

#[test]
fn a_second_ctrl_c_of_a_run_whose_resident_answers_is_told_how_it_ended() {
    let home = Home::new();
    let resident = home.serve([]);
    home.env.apply("[models.stubborn]\nprotocol = 'lines'\nshell = true\nkeepalive = '10m'\ngrace = '10m'\ninferenceCommand = '''trap '' INT TERM; while read -r x; do echo $$ > stubborn.pid; while :; do sleep 0.1; done; done'''\n");
    let run = Live::start(home.with(["run", "stubborn", "x"]), Stdio::null());
    let model = pid_in(&home.env.path("work/stubborn.pid"));
    let stderr = press_until_over(run).failed(130);
    assert!(stderr.contains("`stubborn` on `local`: cancelled by"), "{stderr}");
    wait_gone(model);
    assert!(alive(resident.pid()));
    assert_eq!(home.env.row()["status"], "cancelled");
}

#[test]
fn numbers_of_attempts_are_not_used_twice_when_it_dies_after_a_retry() {
    let home = Home::new();
    let resident = home.serve([]);
    home.env.apply("[models.thrice]\nprotocol = 'lines'\nshell = true\nkeepalive = '10m'\ngrace = '300ms'\ninferenceCommand = '''while read -r x; do [ -e one ] || { : > one; exit 9; }; [ -e two.pid ] || { echo $$ > two.pid; sleep 600; }; echo third; done'''\n");
    let mut run = Live::start(home.with(["run", "thrice", "-", "--retries", "2"]), Stdio::piped());
    run.say("x\n");
    drop(run.take_stdin());
    let model = pid_in(&home.env.path("work/two.pid"));
    resident.signal(Signal::KILL);
    assert_eq!(run.finish().ended(0).stdout, "third\n");
    wait_gone(model);
    let attempts = wait_until("all attempts", || {
        let mut rows = home.env.rows();
        rows.sort_by_key(|row| row["attempt"].as_u64());
        let ended = rows.iter().map(|row| (row["attempt"].clone(), row["status"].clone())).collect::<Vec<_>>();
        (ended.len() == 3 && ended.iter().all(|(_, status)| status != "started")).then_some(ended)
    });
    assert_eq!(attempts, [(1.into(), "failed".into()), (2.into(), "lost".into()), (3.into(), "succeeded".into())]);
}

#[test]
fn a_retry_that_the_resident_has_taken_is_not_there_any_more() {
    let home = Home::new();
    let resident = home.serve([]);
    home.env.apply("[models.thrice]\nprotocol = 'lines'\nshell = true\nkeepalive = '10m'\ngrace = '300ms'\ninferenceCommand = '''while read -r x; do [ -e one ] || { : > one; exit 9; }; echo $$ > two.pid; sleep 600; done'''\n");
    let run = Live::start(home.with(["run", "thrice", "x", "--retries", "1"]), Stdio::null());
    let model = pid_in(&home.env.path("work/two.pid"));
    resident.signal(Signal::KILL);
    assert!(run.finish().failed(69).contains("the resident is gone"));
    wait_gone(model);
    assert_eq!(home.env.rows().len(), 2);
}
