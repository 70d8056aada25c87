//! Callers and residents of different versions.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{
    support::Home,
    wire::{DECLINED, Wire},
};
use crate::support::{Live, alive, pid_in, wait_until};

#[test]
fn a_caller_of_another_version_is_declined_and_can_ask_the_resident_to_leave() {
    let home = Home::new();
    let resident = home.serve([]);
    let mut busy = Live::start(home.with(["run", "kept", "never"]), Stdio::null());
    pid_in(&home.env.path("work/never.pid"));
    for version in ["0.0.1", "99.0.0", "none"] {
        let mut wire = Wire::upgrade(&home);
        wire.open_as(&home, "kept", version);
        let (stream, payload) = wire.receive().expect("an answer");
        assert_eq!((stream, payload), (DECLINED, br#"{"reason":"version","attempts":0}"#.to_vec()));
        assert_eq!(wire.receive(), None);
    }
    // A message that this version cannot read is one of another version, too.
    let mut wire = Wire::upgrade(&home);
    wire.send(super::wire::OPEN, br#"{"merVersion":"99.0.0"}"#);
    assert_eq!(wire.receive().expect("an answer").0, DECLINED);
    assert_eq!(home.ask("POST", "leave", "").expect("an answer")["leaving"], true);
    assert!(alive(resident.pid()) && !busy.is_over(), "it serves what it has");
    busy.signal(rustix::process::Signal::INT);
    busy.finish().ended(130);
    resident.finish().ended(0);
    // The next call starts one of its own version.
    assert_eq!(home.mer(["run", "kept", "x"]).ok(), "got x\n");
    assert_eq!(home.via("kept"), "resident");
}

#[test]
fn a_resident_of_another_version_is_asked_to_leave_and_not_used() {
    let home = Home::new();
    let socket = home.free_socket();
    let other = Other::listen(&socket);
    assert_eq!(home.mer(["run", "kept", "x"]).ok(), "got x\n");
    assert!(home.via("kept").is_null(), "the run went on alone");
    assert_eq!((other.runs.load(Ordering::SeqCst), other.leaves.load(Ordering::SeqCst)), (1, 1));
    // A script asks once for a model, and then keeps it by itself.
    let mut script = Live::start(home.with([]), Stdio::piped());
    script.say("run kept pid\nrun kept pid\n");
    let told = wait_until("two answers", || {
        let told = script.stdout_so_far();
        (told.lines().count() == 2).then_some(told)
    });
    let pids: Vec<&str> = told.lines().collect();
    assert_eq!(pids[0], pids[1]);
    script.finish().ended(0);
    assert_eq!(other.runs.load(Ordering::SeqCst), 2);
    // Once it has left, the next call starts another one.
    fs::remove_file(&socket).expect("removed");
    assert_eq!(home.mer(["run", "kept", "x"]).ok(), "got x\n");
    assert_eq!(home.via("kept"), "resident");
}

/// A resident of another version, as far as a caller notices.
struct Other {
    runs: Arc<AtomicUsize>,
    leaves: Arc<AtomicUsize>,
}

impl Other {
    fn listen(socket: &Path) -> Self {
        let listener = UnixListener::bind(socket).expect("a socket");
        let other = Self { runs: Arc::default(), leaves: Arc::default() };
        let (runs, leaves) = (Arc::clone(&other.runs), Arc::clone(&other.leaves));
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let head = head_of(&mut stream);
                let declined = br#"{"reason":"version"}"#;
                let length = u32::try_from(declined.len()).expect("a length").to_be_bytes();
                let body = r#"{"merVersion":"99.0.0","pid":1,"leaving":true}"#;
                let answer = if head.contains("/mer/v1/run ") {
                    runs.fetch_add(1, Ordering::SeqCst);
                    [b"HTTP/1.1 101 Switching Protocols\r\n\r\n", &[DECLINED][..], &length, declined].concat()
                } else if head.contains("/mer/v1/leave ") {
                    leaves.fetch_add(1, Ordering::SeqCst);
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
                } else {
                    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()
                };
                let _ = stream.write_all(&answer);
            }
        });
        other
    }
}

/// Reads a request up to its empty line.
fn head_of(stream: &mut UnixStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}
