//! The resident itself is killed, stopped, asked to leave, or too busy.

use std::{process::Stdio, thread, time::Duration};

use rustix::process::{Pid, Signal, kill_process};

use super::{support::Home, wire::Wire};
use crate::support::{Live, alive, pid_in, wait_gone, wait_until};

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.try_into().expect("a pid")).expect("a pid");
    kill_process(pid, signal).expect("sent");
}

#[test]
fn one_that_was_stopped_and_wakes_up_runs_nothing_twice() {
    let home = Home::new();
    let resident = home.serve([]);
    signal(resident.pid(), Signal::STOP);
    let counted = home.env.path("work/counted");
    home.env.file(
        "work/counter.toml",
        "[models.counter]\nprotocol = 'lines'\nshell = true\nkeepalive = '10m'\ninferenceCommand = '''while read -r x; do echo $x >> counted; echo \"got $x\"; done'''\n",
    );
    home.env.mer(["apply", "counter.toml", "--allow-changes", "--quiet"]).ok();
    assert_eq!(home.mer(["run", "counter", "x"]).ok(), "got x\n", "the caller goes on alone");
    signal(resident.pid(), Signal::CONT);
    wait_until("an answer", || home.resident());
    assert_eq!(home.mer(["run", "counter", "y"]).ok(), "got y\n");
    assert_eq!(std::fs::read_to_string(counted).expect("a file"), "x\ny\n");
    assert_eq!(home.env.rows().len(), 2);
}

#[test]
fn a_word_of_a_client_that_is_gone_starts_nothing() {
    let home = Home::new();
    let resident = home.serve([]);
    let (mut wire, _) = Wire::reserved(&home, "kept");
    signal(resident.pid(), Signal::STOP);
    wire.send(super::wire::GO, b"");
    wire.send(super::wire::STDIN, b"never");
    wire.send(super::wire::STDIN_END, br#"{"error":null}"#);
    drop(wire);
    signal(resident.pid(), Signal::CONT);
    wait_until("an answer", || home.resident());
    assert_eq!(home.mer(["run", "kept", "x"]).ok(), "got x\n");
    assert!(!home.env.path("work/never.pid").exists());
    assert_eq!(home.env.rows().len(), 1);
}

#[test]
fn one_that_is_killed_in_any_phase_leaves_no_process_and_a_new_one_begins() {
    let home = Home::new();
    // With nothing to do.
    let mut idle = home.serve([]);
    signal(idle.pid(), Signal::KILL);
    wait_until("its end", || idle.is_over().then_some(()));
    assert!(home.socket().is_some(), "its socket is still there");
    assert_eq!(home.mer(["run", "kept", "x", "--no-serve"]).ok(), "got x\n");
    // Before the word of a client: the caller goes on alone.
    let mut second = home.serve([]);
    let (mut wire, _) = Wire::reserved(&home, "kept");
    signal(second.pid(), Signal::KILL);
    assert_eq!(wire.receive(), None);
    wait_until("its end", || second.is_over().then_some(()));
    // While it keeps an idle process.
    let mut third = home.serve([]);
    let kept: u32 = home.mer(["run", "kept", "pid"]).ok().trim().parse().expect("a pid");
    assert!(alive(kept));
    signal(third.pid(), Signal::KILL);
    wait_gone(kept);
    wait_until("its end", || third.is_over().then_some(()));
    // While a process starts.
    let mut fourth = home.serve([]);
    home.env.apply("[models.slow]\nprotocol = 'lines'\nshell = true\nkeepalive = '10m'\nreadyToken = 'READY'\ninferenceCommand = 'echo $$ > slow.pid; sleep 600'\n");
    let load = Live::start(home.with(["load", "slow"]), Stdio::null());
    let slow = pid_in(&home.env.path("work/slow.pid"));
    signal(fourth.pid(), Signal::KILL);
    wait_gone(slow);
    wait_until("its end", || fourth.is_over().then_some(()));
    assert_ne!(load.finish().code, Some(0));
    let _fifth = home.serve([]);
    assert_eq!(home.mer(["run", "kept", "x"]).ok(), "got x\n");
    assert_eq!(home.via("kept"), "resident");
}

#[test]
fn a_first_signal_ends_it_within_the_grace_of_its_models() {
    let home = Home::new();
    let resident = home.serve([]);
    let idle: u32 = home.mer(["run", "kept", "pid"]).ok().trim().parse().expect("a pid");
    let run = Live::start(home.with(["run", "kept", "never"]), Stdio::null());
    let busy = pid_in(&home.env.path("work/never.pid"));
    resident.signal(Signal::TERM);
    resident.finish().ended(0);
    assert!(!alive(idle) && !alive(busy));
    assert_ne!(run.finish().code, Some(0));
    assert_eq!(home.socket(), None);
    let status = home.env.rows()[0]["status"].clone();
    assert_eq!(status, "cancelled");
}

#[test]
fn one_that_was_asked_to_leave_serves_what_it_has_and_ends() {
    let home = Home::new();
    let resident = home.serve([]);
    let mut run = Live::start(home.with(["run", "kept", "never"]), Stdio::null());
    let busy = pid_in(&home.env.path("work/never.pid"));
    assert_eq!(home.ask("POST", "leave", "").expect("an answer")["leaving"], true);
    // A new call is not given to it, and does not wait for it.
    assert_eq!(home.mer(["run", "kept", "x", "--timeout", "30s"]).ok(), "got x\n");
    assert!(alive(busy) && alive(resident.pid()) && !run.is_over());
    run.signal(Signal::INT);
    run.finish().ended(130);
    resident.finish().ended(0);
    wait_gone(busy);
}

#[test]
fn a_start_is_ended_by_stop_and_a_request_after_it_gets_a_fresh_process() {
    let home = Home::new();
    let _resident = home.serve([]);
    home.env.apply("[models.slow]\nprotocol = 'lines'\nshell = true\nkeepalive = '10m'\ngrace = '500ms'\nreadyToken = 'READY'\ninferenceCommand = 'echo $$ > slow.pid; [ -e go ] || sleep 600; echo READY; while read -r x; do echo \"got $x\"; done'\n");
    let run = Live::start(home.with(["run", "slow", "x"]), Stdio::null());
    let slow = pid_in(&home.env.path("work/slow.pid"));
    home.mer(["stop", "slow"]).ended(0);
    wait_gone(slow);
    assert!(run.finish().failed(75).contains("stopped"));
    home.env.file("work/go", "");
    assert_eq!(home.mer(["run", "slow", "x"]).ok(), "got x\n");
}

#[test]
fn a_full_queue_is_75_at_once() {
    let home = Home::new();
    let _resident = home.serve([]);
    home.env.apply("[models.narrow]\nprotocol = 'lines'\nshell = true\nkeepalive = '10m'\ngrace = '500ms'\nqueueLength = 1\ninferenceCommand = 'while read -r x; do echo $$ > narrow.pid; while [ ! -e go ]; do sleep 0.05; done; echo \"got $x\"; done'\n");
    let first = Live::start(home.with(["run", "narrow", "a"]), Stdio::null());
    pid_in(&home.env.path("work/narrow.pid"));
    let second = Live::start(home.with(["run", "narrow", "b"]), Stdio::null());
    wait_until("a request that waits", || {
        let listed = home.ask("GET", "ps", "")?;
        (listed["processes"][0]["queued"] == 1).then_some(())
    });
    assert!(home.mer(["run", "narrow", "c"]).failed(75).contains("queueLength"));
    home.env.file("work/go", "");
    assert_eq!((first.finish().ok(), second.finish().ok()), ("got a\n".to_owned(), "got b\n".to_owned()));
    assert_eq!(home.env.rows().len(), 2, "the one that was refused has no row");
}

#[test]
fn two_hundred_callers_at_once_are_all_answered() {
    let home = Home::new();
    let _resident = home.serve([]);
    thread::scope(|scope| {
        let callers: Vec<_> = (0..200)
            .map(|number| {
                let home = &home;
                scope.spawn(move || {
                    let input = format!("n{number}");
                    let (mut wire, _) = Wire::begun(home, "kept", &input);
                    assert_eq!(wire.finish().0, format!("got {input}\n"));
                })
            })
            .collect();
        for caller in callers {
            caller.join().expect("a caller");
        }
    });
    let listed = home.ask("GET", "ps", "").expect("an answer");
    assert_eq!(
        (&listed["processes"][0]["served"], listed["processes"].as_array().map(Vec::len)),
        (&200.into(), Some(1))
    );
    assert_eq!(home.env.rows().len(), 200);
}

#[test]
fn two_at_once_are_one_and_the_lock_decides() {
    let home = Home::new();
    std::fs::create_dir(home.runtime_dir()).expect("a folder");
    std::fs::set_permissions(home.runtime_dir(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("a mode");
    let mut both: Vec<Live> = (0..4).map(|_| Live::start(home.with(["serve"]), Stdio::null())).collect();
    let ended = |both: &mut Vec<Live>| both.iter_mut().map(Live::is_over).filter(|is_over| *is_over).count();
    wait_until("three that ended", || (ended(&mut both) == 3).then_some(()));
    let pid = wait_until("the one that is left", || home.resident());
    thread::sleep(Duration::from_millis(50));
    assert_eq!(ended(&mut both), 3);
    for one in both {
        if one.pid() == pid {
            one.signal(Signal::TERM);
            one.finish().ended(0);
        } else {
            assert!(one.finish().failed(75).contains("is running already"));
        }
    }
}
