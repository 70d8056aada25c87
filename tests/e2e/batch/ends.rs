//! Signals, halting, exit codes, and what is said at the end.

use rustix::process::Signal;

use super::support::{BatchEnv, answers, numbers};
use crate::support::{alive, pid_in, wait_gone, wait_until};

/// A batch that waits at its second line, in process.
fn at_the_gate(words: &str) -> (BatchEnv, crate::support::Live) {
    let place = BatchEnv::new();
    place.input(format!("1\ngate\n{}", numbers(50)));
    let live = place.start(words);
    wait_until("the gate", || place.asked().contains(&"gate".to_owned()).then_some(()));
    (place, live)
}

#[test]
fn the_first_ctrl_c_finishes_what_runs_and_says_how_to_resume() {
    for (signal, code, name) in
        [(Signal::INT, 130, "Ctrl-C"), (Signal::TERM, 143, "SIGTERM"), (Signal::HUP, 129, "SIGHUP")]
    {
        let (place, live) = at_the_gate("work in -o out");
        live.signal(signal);
        live.wait_stderr("Ctrl-C once more ends");
        place.env.file("work/go", "");
        let ran = live.finish().ended(code);
        assert!(ran.stderr.contains(&format!("mer: stopped by {name} after")), "{}", ran.stderr);
        assert!(ran.stderr.contains("hint: `mer batch --resume work in -o out` goes on with it"), "{}", ran.stderr);
        let results = place.read("out");
        assert!(results.starts_with("got 1\ngot gate\n") && results.lines().count() < 52, "{results}");
        place.batch("work in -o out --resume -q").ok();
        assert_eq!(place.read("out"), answers(&format!("1\ngate\n{}", numbers(50))));
    }
}

#[test]
fn the_second_ctrl_c_ends_what_runs() {
    let place = BatchEnv::new();
    place.input("a\nhang\nb\n");
    let live = place.start("work in -o out");
    let pid = wait_until("the model", || {
        std::fs::metadata(place.env.path("work/hang.pid"))
            .ok()
            .filter(|file| file.len() > 1)
            .map(|_| pid_in(&place.env.path("work/hang.pid")))
    });
    assert!(alive(pid));
    live.signal(Signal::INT);
    live.wait_stderr("Ctrl-C once more ends");
    live.signal(Signal::INT);
    let ran = live.finish().ended(130);
    assert!(ran.stderr.contains("goes on with it"), "{}", ran.stderr);
    wait_gone(pid);
    // Nothing counts as failed: the item runs again.
    assert!(ran.stderr.contains("0 failed"), "{}", ran.stderr);
}

#[test]
fn results_on_standard_output_cannot_be_resumed() {
    let (place, live) = at_the_gate("work in");
    live.signal(Signal::INT);
    live.wait_stderr("Ctrl-C once more ends");
    place.env.file("work/go", "");
    let ran = live.finish().ended(130);
    assert!(ran.stdout.starts_with("got 1\ngot gate\n") && !ran.stderr.contains("--resume"), "{}", ran.stderr);
}

#[test]
fn halting_counts_what_it_is_told_to() {
    let place = BatchEnv::new();
    place.input(format!("bad\n{}bad\n{}", numbers(20), numbers(20)));
    let ran = place.batch("once in -o out --halt soon,fail=2 -j 1").ended(1);
    assert!(ran.stderr.contains("2 failed, and the batch was halted after 22 of 42 items"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("`mer batch --resume once in -o out --halt 'soon,fail=2' -j 1` goes on"),
        "{}",
        ran.stderr
    );
    assert_eq!(place.read("out").lines().count(), 22);
    let ran = place.batch("once in -o out --force --halt now,success=5 -j 1").ended(1);
    assert_eq!(place.read("out").lines().count(), 6, "{}", ran.stderr);
    let ran = place.batch("once in -o out --force --halt soon,done=50% -j 1").ended(1);
    assert_eq!(place.read("out").lines().count(), 21, "{}", ran.stderr);
    place.input(numbers(20));
    let ran = place.batch("once in -o out --force --halt soon,success=5 -j 1").ended(0);
    assert!(ran.stderr.contains("halted after 5 of 20 items, as `--halt` says"), "{}", ran.stderr);
    let said = place.batch("once in --halt later,fail=1").failed(64);
    assert!(said.contains("is not when to halt: expected `now` or `soon`"), "{said}");
}

#[test]
fn the_exit_code_says_what_stopped_a_batch() {
    let place = BatchEnv::new();
    place.input("a\n");
    assert!(place.batch("nosuch in").failed(66).contains("there is no model `nosuch`"));
    assert!(place.batch("work missing").failed(74).contains("the input `missing` cannot be opened"));
    assert!(place.batch("work in -o no/such/folder").failed(74).contains("no/such/folder"));
    assert!(place.batch("work in --server nosuch").failed(66).contains("nosuch"));
    let ran = place.batch("missing in").ended(78);
    assert!(ran.stderr.contains("no-such-program"), "{}", ran.stderr);
    let ran = place.batch("stillborn in").ended(1);
    assert!(ran.stderr.contains("exited with code 7"), "{}", ran.stderr);
    let ran = place.batch("unready in").ended(124);
    assert!(ran.stderr.contains("`readyTimeout`"), "{}", ran.stderr);
}

#[test]
fn a_reader_that_has_gone_ends_the_batch() {
    let place = BatchEnv::new();
    place.input(numbers(5000));
    let mut command = place.env.program("sh".as_ref());
    command
        .args(["-c", "{ \"$MER\" batch work in; echo \"code $?\" >&2; } | head -1"])
        .env("MER", crate::support::TestEnv::binary());
    let ran = crate::support::run(command);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("got 1\n", "code 141\n"));
    assert!(place.asked().len() < 5000);
}
