//! The handshake, with an eye on what the other side says before it speaks SSH.
//!
//! libssh2 skips lines until there is a banner, and forgets them. What stands in them is what a person must know: that it is
//! a web server, or that sshd has too many connections. So libssh2 does not block here, and before each of its calls what
//! has come is looked at, and left where it is.

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

/// So much of what stands before a banner is kept, and of its first line so much is shown.
const KEPT: usize = 1024;
const SHOWN: usize = 200;

/// Why a handshake came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    TimedOut,
    /// The other side went away. What it had said, where it had not come to its banner; and how it went.
    Dropped {
        said: Option<String>,
        greeted: bool,
        reset: bool,
    },
    /// What speaks there is not SSH; this is what it says, if its first line was seen.
    NotSsh(Option<String>),
    Other(ssh2::Error),
}

/// Makes the handshake before the deadline.
pub(super) fn shake(session: &mut Session, socket: &OwnedFd, deadline: Instant) -> Result<(), Failure> {
    session.set_blocking(false);
    let mut heard = Preamble::default();
    let result = loop {
        heard.listen(socket);
        match session.handshake() {
            Ok(()) => break Ok(()),
            Err(error) if libssh2_codes::is(&error, libssh2_codes::AGAIN) => heard.banner(session.banner_bytes()),
            Err(error) => {
                let gone = libssh2_codes::is_gone(&error) || heard.is_gone(socket);
                break Err(failure(session, heard, error, gone));
            }
        }
        if heard.is_web() {
            break Err(Failure::NotSsh(heard.shown()));
        }
        if !wait(session, socket, deadline) {
            let said = heard.shown().filter(|_| !heard.greeted);
            break Err(said.map_or(Failure::TimedOut, |said| Failure::NotSsh(Some(said))));
        }
    };
    session.set_blocking(true);
    result
}

fn failure(session: &Session, mut heard: Preamble, error: ssh2::Error, gone: bool) -> Failure {
    let missed = heard.text.is_empty() && session.banner_bytes().is_some();
    if missed {
        // It came between the look and the call, and only its last whole line is still there.
        heard.hear(session.banner_bytes().unwrap_or_default());
    }
    let reset = heard.reset
        || [libssh2_codes::SOCKET_RECV, libssh2_codes::SOCKET_SEND].iter().any(|code| libssh2_codes::is(&error, *code));
    if heard.greeted {
        let dropped = Failure::Dropped { said: None, greeted: true, reset };
        return if gone { dropped } else { Failure::Other(error) };
    }
    match heard.shown() {
        // sshd's word that it will be well again soon.
        said if said.as_ref().is_none_or(|said| said.contains("MaxStartups")) && gone => {
            Failure::Dropped { said, greeted: false, reset }
        }
        Some(said) => Failure::NotSsh(Some(said).filter(|_| !missed)),
        None => Failure::Other(error),
    }
}

/// What has come before the banner.
#[derive(Debug, Default)]
struct Preamble {
    text: Vec<u8>,
    /// The banner has come: what follows is SSH.
    greeted: bool,
    /// The connection was reset. Only the first call that sees it is told.
    reset: bool,
}

impl Preamble {
    fn listen(&mut self, socket: &OwnedFd) {
        let mut bytes = [0; KEPT];
        match recv(socket, &mut bytes, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((count, _)) if !self.greeted => self.hear(&bytes[..count]),
            Err(Errno::CONNRESET) => self.reset = true,
            _ => {}
        }
    }

    /// The last whole line that libssh2 has read. A banner that came between a look and its call is seen only there; what
    /// the socket holds after it is binary.
    fn banner(&mut self, line: Option<&[u8]>) {
        self.greeted |= line.is_some_and(|line| line.starts_with(b"SSH-"));
    }

    /// Whether the other side has gone, whatever libssh2 makes of it.
    fn is_gone(&mut self, socket: &OwnedFd) -> bool {
        match recv(socket, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((count, _)) => count == 0,
            Err(errno) => {
                self.reset |= errno == Errno::CONNRESET;
                errno != Errno::AGAIN
            }
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        let room = KEPT.saturating_sub(self.text.len());
        self.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.greeted |= self.text.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"SSH-"));
    }

    fn is_web(&self) -> bool {
        self.text.starts_with(b"HTTP/")
    }

    fn shown(&self) -> Option<String> {
        first_line(&self.text)
    }
}

/// The first line, shortened, as it can be shown.
pub(super) fn first_line(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().take(SHOWN).collect::<String>().escape_debug().to_string())
}

/// Waits for the socket as libssh2 wants it. False after the deadline.
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

    fn heard(pieces: &[&[u8]]) -> Preamble {
        let mut heard = Preamble::default();
        pieces.iter().for_each(|piece| heard.hear(piece));
        heard
    }

    #[test]
    fn a_banner_may_come_after_other_lines_and_in_pieces() {
        assert!(heard(&[b"SSH-2.0-x"]).greeted);
        assert!(heard(&[b"Welcome\r\nSS", b"H-2.0-x\r\n"]).greeted);
        assert!(!heard(&[b"no SSH-2.0 here\r\n"]).greeted);
        assert!(!heard(&[]).greeted);
    }

    #[test]
    fn a_banner_that_only_the_library_has_read_is_one() {
        let mut heard = heard(&[]);
        heard.banner(None);
        heard.banner(Some(b"Welcome"));
        assert!(!heard.greeted);
        heard.banner(Some(b"SSH-2.0-x"));
        assert!(heard.greeted);
    }

    #[test]
    fn what_is_shown_is_short_and_does_no_harm() {
        assert_eq!(heard(&[b"\r\n HTTP/1.1 400 Bad\r\nmore"]).shown().as_deref(), Some("HTTP/1.1 400 Bad"));
        assert_eq!(heard(&[b"\x1b[2Jboo"]).shown().as_deref(), Some("\\u{1b}[2Jboo"));
        assert_eq!(heard(&[&[b'x'; 5000]]).shown().map(|shown| shown.len()), Some(super::SHOWN));
        assert_eq!(heard(&[b"\r\n"]).shown(), None);
    }
}
