//! Clients that break off, send garbage or do not read: only their own run notices.

use std::{
    io::{Read as _, Write as _},
    process::Stdio,
};

use rustix::process::Signal;

use super::{
    support::Home,
    wire::{GO, STDIN, STDIN_END, STDOUT_END, Wire},
};
use crate::support::{Live, alive, pid_in, wait_gone, wait_until};

/// A run that works proves that nothing holds the resident up.
#[track_caller]
fn still_serves(home: &Home) {
    assert_eq!(home.mer(["run", "kept", "x"]).ok(), "got x\n");
    assert_eq!(home.via("kept"), "resident");
}

#[test]
fn a_client_written_by_hand_runs_a_model() {
    let home = Home::new();
    let _resident = home.serve([]);
    let (mut wire, uid) = Wire::begun(&home, "kept", "hello");
    let (output, end) = wire.finish();
    assert_eq!(output, "got hello\n");
    assert_eq!(end["access"]["status"], "succeeded", "{end}");
    let row = home.env.row();
    assert_eq!(row["requestUid"], uid.to_string());
    assert_eq!((&row["via"], &row["caller"]), (&"resident".into(), &"test@here".into()));
}

#[test]
fn a_client_that_breaks_off_before_its_word_starts_nothing() {
    let home = Home::new();
    let _resident = home.serve([]);
    drop(Wire::connect(&home));
    drop(Wire::upgrade(&home));
    let mut opened = Wire::upgrade(&home);
    opened.open(&home, "kept");
    drop(opened);
    let (reserved, _) = Wire::reserved(&home, "kept");
    drop(reserved);
    still_serves(&home);
    assert_eq!(home.env.rows().len(), 1, "only the run that proves it");
}

#[test]
fn a_client_that_breaks_off_in_its_run_cancels_it() {
    let home = Home::new();
    let _resident = home.serve([]);
    // While its input comes.
    let (mut wire, uid) = Wire::reserved(&home, "kept");
    wire.send(GO, b"");
    wire.send(STDIN, b"half");
    drop(wire);
    let status = |uid: uuid::Uuid| {
        let rows = home.env.rows();
        rows.iter().find(|row| row["requestUid"] == uid.to_string()).map(|row| row["status"].clone())
    };
    // Nothing was sent to the model, or the run is on record as one that was not completed.
    wait_until("no run in progress", || status(uid).is_none_or(|status| status != "started").then_some(()));
    assert_ne!(status(uid), Some("succeeded".into()));
    // While the model works.
    let (wire, uid) = Wire::begun(&home, "kept", "never");
    let model = pid_in(&home.env.path("work/never.pid"));
    drop(wire);
    wait_gone(model);
    wait_until("the record", || (status(uid)? == "cancelled").then_some(()));
    // Before it has said that the output was written.
    let (mut wire, uid) = Wire::begun(&home, "kept", "x");
    while wire.receive().expect("a frame").0 != STDOUT_END {}
    drop(wire);
    wait_until("the record", || (status(uid)? == "cancelled").then_some(()));
    still_serves(&home);
}

#[test]
fn a_load_whose_caller_is_killed_is_cancelled_on_record() {
    let home = Home::new();
    let _resident = home.serve([]);
    home.env.apply("[models.slow]\nprotocol = 'lines'\nshell = true\nkeepalive = '10m'\ngrace = '500ms'\nreadyToken = 'READY'\ninferenceCommand = 'echo $$ > slow.pid; sleep 600'\n");
    let mut load = Live::start(home.with(["load", "slow"]), Stdio::null());
    let model = pid_in(&home.env.path("work/slow.pid"));
    assert_eq!(home.env.row()["status"], "started");
    load.signal(Signal::KILL);
    wait_until("its end", || load.is_over().then_some(()));
    wait_gone(model);
    wait_until("the record", || (home.env.row()["status"] == "cancelled").then_some(()));
    still_serves(&home);
}

#[test]
fn garbage_is_given_up_in_each_phase() {
    let home = Home::new();
    let _resident = home.serve([]);
    let mut plain = Wire::connect(&home);
    plain.write_all(b"\0\x01\x02 garbage\r\n\r\n").expect("sent");
    let mut answer = String::new();
    plain.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0, 0xff, 0xff, 0xff, 0xff], &[99, 0, 0, 0, 0], &[3, 0, 0, 0, 0]] {
        let mut wire = Wire::upgrade(&home);
        wire.send_raw(bytes).expect("sent");
        assert_eq!(wire.receive(), None, "{bytes:?}");
        let (mut wire, _) = Wire::reserved(&home, "kept");
        // The word to begin is no garbage in this phase.
        if bytes[0] != GO {
            wire.send_raw(bytes).expect("sent");
            assert_eq!(wire.receive(), None, "{bytes:?}");
        }
    }
    // In the run: a frame that no client sends, and more input than fits.
    let (mut wire, _) = Wire::begun(&home, "kept", "never");
    let model = pid_in(&home.env.path("work/never.pid"));
    wire.send(17, b"");
    wait_gone(model);
    let (mut wire, _) = Wire::reserved(&home, "kept");
    wire.send(GO, b"");
    let chunk = vec![b'x'; 1 << 20];
    while wire.try_send(STDIN, &chunk).is_ok() {}
    still_serves(&home);
}

#[test]
fn silent_and_slow_clients_hold_nothing_up() {
    let home = Home::new();
    let _resident = home.serve([]);
    let silent: Vec<_> = (0..50).map(|_| Wire::connect(&home)).collect();
    let asked: Vec<_> = (0..50).map(|_| Wire::upgrade(&home)).collect();
    let waiting: Vec<_> = (0..20).map(|_| Wire::reserved(&home, "kept")).collect();
    home.env.apply(
        "[models.flood]\nprotocol = 'lines'\nshell = true\nkeepalive = '10m'\ninferenceCommand = '''while read -r x; do head -c 8000000 /dev/zero | tr '\\0' y; echo; done'''\n",
    );
    // It reads nothing of a long output.
    let (slow, _) = Wire::begun(&home, "flood", "x");
    still_serves(&home);
    drop((silent, asked, waiting, slow));
    still_serves(&home);
}

#[test]
fn the_input_may_come_in_many_pieces() {
    let home = Home::new();
    let _resident = home.serve([]);
    let (mut wire, _) = Wire::reserved(&home, "kept");
    wire.send(GO, b"");
    for byte in b"piece by piece" {
        wire.send(STDIN, &[*byte]);
        wire.send(STDIN, b"");
    }
    wire.send(STDIN_END, br#"{"error":null}"#);
    assert_eq!(wire.finish().0, "got piece by piece\n");
    let (mut wire, _) = Wire::reserved(&home, "kept");
    wire.send(GO, b"");
    wire.send(STDIN, b"half");
    wire.send(STDIN_END, br#"{"error":"the file is gone"}"#);
    let (output, end) = wire.finish();
    assert_eq!((output.as_str(), &end["access"]["status"]), ("", &"failed".into()), "{end}");
    assert!(end["access"]["error"].as_str().is_some_and(|error| error.contains("the file is gone")), "{end}");
    let process = home.ask("GET", "ps", "").expect("an answer")["processes"][0]["pid"].as_u64().expect("a pid");
    assert!(alive(process.try_into().expect("a pid")));
}

#[test]
fn plain_requests_that_are_wrong_are_told() {
    let home = Home::new();
    let _resident = home.serve([]);
    for (method, path, body, kind) in [
        ("GET", "nothing", "", "NotFound"),
        ("POST", "ps", "", "Usage"),
        ("POST", "stop", "{", "Usage"),
        ("POST", "stop", "{}", "Usage"),
        ("POST", "stop", r#"{"all":true,"names":["x"]}"#, "Usage"),
        ("POST", "stop", r#"{"names":["no-such"]}"#, "NotFound"),
        ("POST", "load", r#"{"model":"no-such"}"#, "NotFound"),
        ("POST", "load", r#"{"model":"a b"}"#, "Usage"),
        ("POST", "load", r#"{"model":"cat"}"#, "Usage"),
        ("GET", "run", "", "Usage"),
    ] {
        let answer = home.ask(method, path, body).expect("an answer");
        assert_eq!(
            answer["kind"].as_str().map(str::to_lowercase),
            Some(kind.to_lowercase()),
            "{path} {body}: {answer}"
        );
    }
    let version = home.ask("GET", "version", "").expect("an answer");
    assert_eq!((&version["merVersion"], &version["leaving"]), (&env!("CARGO_PKG_VERSION").into(), &false.into()));
    assert_eq!(home.ask("POST", "registry-changed", "{}").expect("an answer")["leaving"], false);
}
