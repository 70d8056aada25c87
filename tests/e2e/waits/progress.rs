//! The line about a wait: shown at a terminal with what ends it, and not written to pipes and files.

use std::{fs::File, net::TcpListener};

use rustix::process::Signal;

use crate::support::{AtTerminal, TestEnv};

/// Bytes that erase the line.
const GONE: &str = "\r\u{1b}[K";

/// Returns an environment with a model that becomes ready when the file `go` exists, and one that only a second Ctrl-C
/// ends.
fn ready() -> TestEnv {
    let env = TestEnv::ready();
    env.apply(
        r#"
[models.loading]
protocol = "lines"
readyToken = "READY"
readyTimeout = "10m"
shell = true
inferenceCommand = "until [ -e go ]; do sleep 0.02; done; echo READY; while read -r x; do echo \"got $x\"; done"

[models.patient]
shell = true
grace = "10m"
inferenceCommand = "trap '' INT TERM; echo begun; while :; do sleep 0.05; done"
"#,
    );
    env
}

#[test]
fn while_a_model_loads() {
    let env = ready();
    let mut person = AtTerminal::start(&env, ["run", "loading", "x"]);
    person.expect("waiting until `loading` is ready (at most 10m: `readyTimeout`; Ctrl-C ends it)");
    env.file("work/go", "");
    person.expect(GONE);
    let (ran, shown) = person.finish();
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "got x\n"), "{shown}");
    assert!(shown.ends_with(GONE), "nothing is left of it: {shown:?}");
}

#[test]
fn while_a_model_is_being_cancelled_and_while_its_time_is_up() {
    let env = ready();
    let mut person = AtTerminal::start(&env, ["run", "patient", "x"]);
    person.mer.wait_stdout("begun\n");
    person.mer.signal(Signal::INT);
    person.expect("waiting for `patient` to end (at most its `grace`; Ctrl-C once more ends it at once)");
    person.mer.signal(Signal::INT);
    let (ran, shown) = person.finish();
    assert_eq!(ran.code, Some(130), "{shown}");
    let mut person = AtTerminal::start(&env, ["run", "patient", "x", "--timeout", "100ms"]);
    person.expect("the `timeout` of `patient` ran out; waiting for its end");
    person.mer.signal(Signal::INT);
    person.mer.signal(Signal::TERM);
    let (ran, shown) = person.finish();
    assert_eq!(ran.code, Some(124), "{shown}");
}

#[test]
fn while_a_database_is_waited_for() {
    let env = ready();
    let lease = File::options().write(true).open(env.path("data/mer/db.lock")).expect("the lease");
    lease.lock().expect("locked");
    let mut person = AtTerminal::start(&env, ["log", "list", "--db-wait", "50s"]);
    person.expect("waiting for the database `");
    person.expect("(at most 50s: `--db-wait`; Ctrl-C ends the wait)");
    drop(lease);
    let (ran, shown) = person.finish();
    assert_eq!(ran.code, Some(0), "{shown}");
    assert!(shown.contains(GONE), "{shown:?}");
}

#[test]
fn while_a_connection_is_made_and_an_input_or_a_reader_is_waited_for() {
    let env = ready();
    // Accepts connections and sends nothing.
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    env.apply(format!(
        "[servers.there]\nconnType = 'ssh'\nhost = '127.0.0.1'\nport = {port}\nconnectTimeout = '10m'\n\
         [models.far]\nservers = ['there']\ninferenceCommand = ['cat']\n"
    ));
    super::pipe(&env.path("work/f"));
    for (words, told) in [
        (["run", "far", "x", "--no-hash"], "connecting to `there` (at most `connectTimeout` and `authTimeout`; Ctrl-C"),
        (["server", "ping", "there", "--no-input"], "connecting (at most"),
        (["run", "liner", "@f", "--no-hash"], "waiting for the end of the input for `liner` (at most 10m: `timeout`;"),
        (["run", "cat", "x", "-of"], "waiting for the output file `f` (Ctrl-C ends the wait)"),
        (["apply", "f", "--allow-changes", "--yes"], "waiting for the input `f` (Ctrl-C ends the wait)"),
    ] {
        let mut person = AtTerminal::start(&env, words);
        person.expect(told);
        person.mer.signal(Signal::INT);
        let (ran, shown) = person.finish();
        assert_eq!(ran.code, Some(130), "{words:?}: {shown}");
        assert!(shown.contains(GONE), "{words:?}: {shown:?}");
    }
}

#[test]
fn with_quiet_json_or_a_pipe_no_line_is_written() {
    let env = ready();
    for flag in ["--quiet", "--json"] {
        let _ = std::fs::remove_file(env.path("work/go"));
        let person = AtTerminal::start(&env, ["run", "loading", "x", flag]);
        // Each takes 300 ms at least; a terminal would have shown the line by then.
        super::wait_idle(&person.mer);
        super::wait_idle(&person.mer);
        env.file("work/go", "");
        let (ran, shown) = person.finish();
        assert_eq!((ran.code, shown.as_str()), (Some(0), ""), "{flag}");
    }
    let _ = std::fs::remove_file(env.path("work/go"));
    let live = env.start(["run", "loading", "x"]);
    super::wait_idle(&live);
    super::wait_idle(&live);
    env.file("work/go", "");
    assert_eq!(live.finish().ok(), "got x\n", "a pipe is no person");
}
