//! A resident that a service manager (systemd) has started.

use std::{
    io::{Read as _, Write as _},
    os::{
        fd::OwnedFd,
        unix::net::{UnixDatagram, UnixListener},
    },
    process::Command,
    time::Duration,
};

use rustix::process::Signal;

use super::{support::Home, wire::Wire};
use crate::support::{BOUND, Live, TestEnv, run, wait_until};

/// Counts the variables that a service manager has set.
const NOSY: &str = r#"
[models.nosy]
protocol = "lines"
shell = true
keepalive = "10m"
grace = "500ms"
inferenceCommand = "while read -r x; do env | grep -c -E '^(LISTEN_|NOTIFY_|WATCHDOG_)'; done"
"#;

/// Returns a socket for the states of a service.
fn states(home: &Home) -> UnixDatagram {
    let socket = UnixDatagram::bind(home.env.path("notify")).expect("a socket");
    socket.set_read_timeout(Some(BOUND)).expect("a bound");
    socket
}

fn next_state(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 256];
    let length = socket.recv(&mut bytes).expect("a state");
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

/// Returns the variables of a command for another one.
fn with_variables_of(home: &Home, mut command: Command) -> Command {
    let like = home.with([]);
    command.env_clear().envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(home.env.path("work"));
    command
}

#[test]
fn a_socket_that_it_is_given_is_served_and_left() {
    let home = Home::new();
    home.env.apply(NOSY);
    let first = home.serve([]);
    let socket = home.socket().expect("a socket");
    drop(first);
    let listener = UnixListener::bind(&socket).expect("a socket");
    // A call that comes before it has begun waits in the socket.
    let mut early = Wire::connect(&home);
    early.write_all(b"GET /mer/v1/version HTTP/1.1\r\nHost: mer\r\nConnection: close\r\n\r\n").expect("sent");
    let states = states(&home);
    let mut launcher = with_variables_of(&home, Command::new("sh"));
    let line = "exec 3<&0 </dev/null; export LISTEN_PID=$$ WATCHDOG_PID=$$; exec \"$0\" serve";
    launcher.args(["-c", line]).arg(TestEnv::binary()).env("NOTIFY_SOCKET", home.env.path("notify"));
    launcher.envs([("LISTEN_FDS", "1"), ("LISTEN_FDNAMES", "mer.socket"), ("WATCHDOG_USEC", "30000000")]);
    let resident = Live::start(launcher, OwnedFd::from(listener));
    let mut answer = String::new();
    early.read_to_string(&mut answer).expect("an answer");
    assert!(answer.contains(&format!("\"pid\":{}", resident.pid())), "{answer}");
    assert_eq!(next_state(&states), "READY=1");
    assert_eq!(home.mer(["run", "nosy", "x"]).ok(), "0\n");
    assert_eq!(home.via("nosy"), "resident");
    resident.signal(Signal::TERM);
    assert_eq!(next_state(&states), "STOPPING=1");
    resident.finish().ended(0);
    assert_eq!(home.socket(), Some(socket), "it belongs to the service manager");
}

#[test]
fn a_service_that_notifies_is_ready_once_its_socket_answers() {
    let home = Home::new();
    let states = states(&home);
    let mut command = home.with(["serve"]);
    command.env("NOTIFY_SOCKET", home.env.path("notify"));
    let resident = Live::start(command, std::process::Stdio::null());
    assert_eq!(next_state(&states), "READY=1");
    assert_eq!(home.resident(), Some(resident.pid()));
    resident.signal(Signal::TERM);
    assert_eq!(next_state(&states), "STOPPING=1");
    resident.finish().ended(0);
}

#[test]
fn a_resident_that_a_run_starts_does_not_speak_for_its_service() {
    let home = Home::new();
    home.env.apply(NOSY);
    let states = states(&home);
    let mut call = home.with(["run", "nosy", "x"]);
    call.env("NOTIFY_SOCKET", home.env.path("notify")).env("WATCHDOG_USEC", "1");
    assert_eq!(run(call).ok(), "0\n");
    let resident = wait_until("a resident", || home.resident());
    let environment = std::fs::read(format!("/proc/{resident}/environ")).expect("its environment");
    assert!(!String::from_utf8_lossy(&environment).contains("NOTIFY_SOCKET"));
    states.set_read_timeout(Some(Duration::from_millis(1))).expect("a bound");
    assert!(states.recv(&mut [0; 16]).is_err(), "nothing was said");
    // A run without a resident keeps the words from its models, too.
    let mut call = home.with(["run", "nosy", "x", "--no-serve"]);
    call.env("NOTIFY_SOCKET", home.env.path("notify")).env("LISTEN_FDS", "1");
    assert_eq!(run(call).ok(), "0\n");
}

#[test]
fn a_caller_in_a_service_or_a_job_uses_one_that_is_there() {
    let home = Home::new();
    let _resident = home.serve([]);
    let first = home.mer(["run", "kept", "pid"]).ok();
    for variable in ["INVOCATION_ID", "SLURM_JOB_ID"] {
        let mut call = home.with(["run", "kept", "pid"]);
        call.env(variable, "7");
        assert_eq!(run(call).ok(), first);
    }
}
