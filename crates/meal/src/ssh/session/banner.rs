//! The handshake, with the text that a server sends before its SSH banner.
//!
//! libssh2 skips lines until there is a banner, and drops them. They tell the user that the server is a web server,
//! or that sshd has too many connections. So libssh2 does not block here, and before each of its calls the received
//! bytes are peeked at.

use std::{
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{RecvFlags, recv},
};
use ssh2::{BlockDirections, Session};

use super::libssh2_codes;

/// Maximum number of bytes that are kept of the text before a banner, and maximum number of characters that are
/// shown.
const MAX_KEPT: usize = 1024;
const MAX_SHOWN: usize = 200;

/// Why a handshake failed.
#[derive(Debug)]
pub(super) enum HandshakeFailure {
    TimedOut,
    /// The connection was closed or reset. Has the text before the banner, if there was no banner.
    Dropped {
        text: Option<String>,
        greeted: bool,
        reset: bool,
    },
    /// The server does not speak SSH. Has its first line, if it was received.
    NotSsh(Option<String>),
    Other(ssh2::Error),
}

/// Makes the handshake before the deadline.
pub(super) fn shake(session: &mut Session, socket: &OwnedFd, deadline: Instant) -> Result<(), HandshakeFailure> {
    session.set_blocking(false);
    let mut preamble = Preamble::default();
    let result = loop {
        preamble.peek(socket);
        match session.handshake() {
            Ok(()) => break Ok(()),
            Err(error) if libssh2_codes::is(&error, libssh2_codes::AGAIN) => preamble.banner(session.banner_bytes()),
            Err(error) => {
                let gone = libssh2_codes::is_gone(&error) || preamble.is_gone(socket);
                break Err(failure(session, preamble, error, gone));
            }
        }
        if preamble.is_web() {
            break Err(HandshakeFailure::NotSsh(preamble.first_line()));
        }
        if !wait(session, socket, deadline) {
            let text = preamble.first_line().filter(|_| !preamble.greeted);
            break Err(text.map_or(HandshakeFailure::TimedOut, |text| HandshakeFailure::NotSsh(Some(text))));
        }
    };
    session.set_blocking(true);
    result
}

fn failure(session: &Session, mut preamble: Preamble, error: ssh2::Error, gone: bool) -> HandshakeFailure {
    let missed = preamble.text.is_empty() && session.banner_bytes().is_some();
    if missed {
        // The text came between the peek and the call; libssh2 still has its last complete line.
        preamble.push(session.banner_bytes().unwrap_or_default());
    }
    let reset = preamble.reset
        || [libssh2_codes::SOCKET_RECV, libssh2_codes::SOCKET_SEND].iter().any(|code| libssh2_codes::is(&error, *code));
    if preamble.greeted {
        let dropped = HandshakeFailure::Dropped { text: None, greeted: true, reset };
        return if gone { dropped } else { HandshakeFailure::Other(error) };
    }
    match preamble.first_line() {
        // sshd's message that it has too many connections for now.
        text if text.as_ref().is_none_or(|text| text.contains("MaxStartups")) && gone => {
            HandshakeFailure::Dropped { text, greeted: false, reset }
        }
        Some(text) => HandshakeFailure::NotSsh(Some(text).filter(|_| !missed)),
        None => HandshakeFailure::Other(error),
    }
}

/// The text before the banner.
#[derive(Debug, Default)]
struct Preamble {
    text: Vec<u8>,
    /// The banner has come; SSH follows.
    greeted: bool,
    /// The connection was reset. The error is reported only to the first call that meets it.
    reset: bool,
}

impl Preamble {
    fn peek(&mut self, socket: &OwnedFd) {
        let mut bytes = [0; MAX_KEPT];
        match recv(socket, &mut bytes, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((count, _)) if !self.greeted => self.push(&bytes[..count]),
            Err(Errno::CONNRESET) => self.reset = true,
            _ => {}
        }
    }

    /// Takes the last complete line that libssh2 has read. A banner that came between a peek and the call is found
    /// only here; the bytes after it are binary.
    fn banner(&mut self, line: Option<&[u8]>) {
        self.greeted |= line.is_some_and(|line| line.starts_with(b"SSH-"));
    }

    /// Whether the connection is closed or broken, whatever libssh2 reports.
    fn is_gone(&mut self, socket: &OwnedFd) -> bool {
        match recv(socket, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((count, _)) => count == 0,
            Err(errno) => {
                self.reset |= errno == Errno::CONNRESET;
                errno != Errno::AGAIN
            }
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let room = MAX_KEPT.saturating_sub(self.text.len());
        self.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.greeted |= self.text.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"SSH-"));
    }

    fn is_web(&self) -> bool {
        self.text.starts_with(b"HTTP/")
    }

    fn first_line(&self) -> Option<String> {
        first_line(&self.text)
    }
}

/// The first line, shortened and escaped.
pub(super) fn first_line(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().take(MAX_SHOWN).collect::<String>().escape_debug().to_string())
}

/// Waits until the socket is ready for libssh2. Returns false after the deadline.
fn wait(session: &Session, socket: &OwnedFd, deadline: Instant) -> bool {
    let flags = match session.block_directions() {
        BlockDirections::Outbound => PollFlags::OUT,
        BlockDirections::Both => PollFlags::IN | PollFlags::OUT,
        BlockDirections::Inbound | BlockDirections::None => PollFlags::IN,
    };
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return false;
    }
    let left = left + Duration::from_micros(200);
    let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
    let time = Timespec { tv_sec: seconds, tv_nsec: left.subsec_nanos().into() };
    let mut fds = [PollFd::new(socket, flags)];
    rustix::io::retry_on_intr(|| poll(&mut fds, Some(&time))).is_ok_and(|count| count > 0)
}

#[cfg(test)]
mod tests {
    use super::Preamble;

    fn preamble(pieces: &[&[u8]]) -> Preamble {
        let mut preamble = Preamble::default();
        pieces.iter().for_each(|piece| preamble.push(piece));
        preamble
    }

    #[test]
    fn a_banner_may_come_after_other_lines_and_in_pieces() {
        assert!(preamble(&[b"SSH-2.0-x"]).greeted);
        assert!(preamble(&[b"Welcome\r\nSS", b"H-2.0-x\r\n"]).greeted);
        assert!(!preamble(&[b"no SSH-2.0 here\r\n"]).greeted);
        assert!(!preamble(&[]).greeted);
    }

    #[test]
    fn a_banner_that_only_the_library_has_read_is_one() {
        let mut preamble = preamble(&[]);
        preamble.banner(None);
        preamble.banner(Some(b"Welcome"));
        assert!(!preamble.greeted);
        preamble.banner(Some(b"SSH-2.0-x"));
        assert!(preamble.greeted);
    }

    #[test]
    fn what_is_shown_is_short_and_does_no_harm() {
        assert_eq!(preamble(&[b"\r\n HTTP/1.1 400 Bad\r\nmore"]).first_line().as_deref(), Some("HTTP/1.1 400 Bad"));
        assert_eq!(preamble(&[b"\x1b[2Jboo"]).first_line().as_deref(), Some("\\u{1b}[2Jboo"));
        assert_eq!(preamble(&[&[b'x'; 5000]]).first_line().map(|shown| shown.len()), Some(super::MAX_SHOWN));
        assert_eq!(preamble(&[b"\r\n"]).first_line(), None);
    }
}
