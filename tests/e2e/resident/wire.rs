//! A client of the resident that is written by hand, so that it can do what `mer run` never does.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
};

use serde_json::{Value, json};
use uuid::Uuid;

use super::support::Home;
use crate::support::BOUND;

/// Numbers of frames.
pub(super) const OPEN: u8 = 0;
pub(super) const STDIN: u8 = 1;
pub(super) const STDIN_END: u8 = 2;
pub(super) const GO: u8 = 3;
pub(super) const WRITTEN: u8 = 5;
pub(super) const RESERVED: u8 = 16;
pub(super) const DECLINED: u8 = 17;
pub(super) const STDOUT: u8 = 18;
pub(super) const STDOUT_END: u8 = 22;
pub(super) const END: u8 = 23;
pub(super) const PROGRESS: u8 = 26;

/// A connection that was taken over for a run.
pub(super) struct Wire {
    stream: UnixStream,
}

impl Wire {
    /// Connects, without a request.
    #[track_caller]
    pub(super) fn connect(home: &Home) -> UnixStream {
        let stream = UnixStream::connect(home.socket().expect("a socket")).expect("a connection");
        stream.set_read_timeout(Some(BOUND)).expect("a bound");
        stream.set_write_timeout(Some(BOUND)).expect("a bound");
        stream
    }

    /// Connects, and asks for frames.
    #[track_caller]
    pub(super) fn upgrade(home: &Home) -> Self {
        let mut stream = Self::connect(home);
        stream
            .write_all(b"GET /mer/v1/run HTTP/1.1\r\nHost: mer\r\nConnection: Upgrade\r\nUpgrade: mer/1\r\n\r\n")
            .expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a head");
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        Self { stream }
    }

    /// Asks for a run of a model. Returns its uid.
    #[track_caller]
    pub(super) fn open(&mut self, home: &Home, model: &str) -> Uuid {
        self.open_as(home, model, env!("CARGO_PKG_VERSION"))
    }

    /// The same for a caller of this version.
    #[track_caller]
    pub(super) fn open_as(&mut self, home: &Home, model: &str, version: &str) -> Uuid {
        let uid = Uuid::now_v7();
        let request = json!({
            "merVersion": version, "requestUid": uid, "model": model, "server": null, "timeout": null,
            "hashes": false, "retries": 0, "retryFailed": false, "priority": 0, "tags": {}, "diagnostics": false, "progress": true,
            "context": {
                "caller": "test@here", "claims": {}, "pid": std::process::id(), "folder": home.env.path("work"),
                "agent": null,
                "variables": { "PATH": std::env::var("PATH").unwrap_or_default() },
            },
        });
        self.send(OPEN, request.to_string().as_bytes());
        uid
    }

    /// Asks for a run, and waits until it may begin.
    #[track_caller]
    pub(super) fn reserved(home: &Home, model: &str) -> (Self, Uuid) {
        let mut wire = Self::upgrade(home);
        let uid = wire.open(home, model);
        let (stream, payload) = wire.receive().expect("an answer");
        assert_eq!(stream, RESERVED, "{}", String::from_utf8_lossy(&payload));
        (wire, uid)
    }

    /// Begins a run with this input, up to its end.
    #[track_caller]
    pub(super) fn begun(home: &Home, model: &str, input: &str) -> (Self, Uuid) {
        let (mut wire, uid) = Self::reserved(home, model);
        wire.send(GO, b"");
        wire.send(STDIN, input.as_bytes());
        wire.send(STDIN_END, br#"{"error":null}"#);
        (wire, uid)
    }

    /// Sends a frame.
    #[track_caller]
    pub(super) fn send(&mut self, stream: u8, payload: &[u8]) {
        self.try_send(stream, payload).expect("sent");
    }

    /// The same for a resident that may be gone.
    pub(super) fn try_send(&mut self, stream: u8, payload: &[u8]) -> std::io::Result<()> {
        let length = u32::try_from(payload.len()).expect("a length").to_be_bytes();
        self.stream.write_all(&[&[stream][..], &length, payload].concat())
    }

    /// Sends bytes that are no frame.
    pub(super) fn send_raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Returns the next frame; none if the resident has closed the connection.
    #[track_caller]
    pub(super) fn receive(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        if let Err(error) = self.stream.read_exact(&mut head) {
            assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "no frame came");
            return None;
        }
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let mut payload = vec![0; length.try_into().expect("a length")];
        self.stream.read_exact(&mut payload).ok()?;
        Some((head[0], payload))
    }

    /// Returns the output of a run, and its last frame, as a client that writes everything.
    #[track_caller]
    pub(super) fn finish(&mut self) -> (String, Value) {
        let mut output = Vec::new();
        loop {
            let (stream, payload) = self.receive().expect("an end");
            match stream {
                STDOUT => output.extend(payload),
                // A run that could not begin is over by now.
                STDOUT_END => drop(self.try_send(WRITTEN, br#"{"failure":null}"#)),
                END => {
                    let end = serde_json::from_slice(&payload).expect("JSON");
                    return (String::from_utf8(output).expect("a text"), end);
                }
                _ => {}
            }
        }
    }
}
