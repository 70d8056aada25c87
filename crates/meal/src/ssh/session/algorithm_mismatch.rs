//! Compares the algorithms of client and server, for the error about two sides that have none in common.
//!
//! libssh2 only reports that keys cannot be exchanged. The server sends its lists in plain text, as the first packet
//! after its banner, so that a second connection can read them after sending a banner.

use std::{
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{RecvFlags, SendFlags, recv, send},
};
use ssh2::{MethodType, Session};

use super::banner::first_line;
use crate::ssh::{
    SshError,
    algorithms::{chosen, list_of},
    config::Algorithms,
};

const HELLO: &[u8] = b"SSH-2.0-mer\r\n";
/// Maximum number of bytes that are read. The packet usually has about 2000.
const MOST: usize = 64 * 1024;
/// How long the lists are waited for. The server sends them without a request.
const PATIENCE: Duration = Duration::from_secs(3);
/// The message number of the packet with the lists (SSH_MSG_KEXINIT).
const KEXINIT: u8 = 20;

/// Kinds of algorithm, in the order of the packet: libssh2's name, and the name for messages.
const KINDS: [(MethodType, &str); 6] = [
    (MethodType::Kex, "key exchange method"),
    (MethodType::HostKey, "type of host key"),
    (MethodType::CryptCs, "cipher"),
    (MethodType::CryptSc, "cipher"),
    (MethodType::MacCs, "message authentication code"),
    (MethodType::MacSc, "message authentication code"),
];

/// The client's algorithms, a list for each kind.
#[derive(Debug)]
pub(super) struct SupportedAlgorithms([Vec<String>; 6]);

/// A kind of algorithm that both sides have none of in common.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    kind: &'static str,
    theirs: Vec<String>,
    ours: Vec<String>,
}

impl Mismatch {
    pub(super) fn error(self, host: String) -> SshError {
        let list = |names: &[String]| names.join(", ").into();
        SshError::NothingInCommon { host, kind: self.kind, theirs: list(&self.theirs), ours: list(&self.ours) }
    }
}

impl SupportedAlgorithms {
    pub(super) fn of(session: &Session, host_keys: &str, lists: &Algorithms) -> Self {
        Self(KINDS.map(|(kind, _)| {
            match kind {
                MethodType::HostKey => host_keys.split(',').map(str::to_owned).collect(),
                kind => chosen(list_of(lists, kind), &session.supported_algs(kind).unwrap_or_default())
                    .into_iter()
                    .filter(|name| is_one(name))
                    .map(str::to_owned)
                    .collect(),
            }
        }))
    }

    /// Returns the first kind without a common algorithm.
    pub(super) fn compare(&self, theirs: &[Vec<String>]) -> Option<Mismatch> {
        // Authenticated ciphers (GCM, Poly1305) need no MAC.
        let mut whole = false;
        for ((ours, theirs), (_, kind)) in self.0.iter().zip(theirs).zip(KINDS) {
            let mut common = ours.iter().filter(|name| theirs.contains(name)).peekable();
            if kind == "cipher" {
                whole |= common.peek().is_some_and(|name| name.contains("gcm") || name.contains("poly1305"));
            }
            if common.peek().is_none() && !(whole && kind.starts_with("message")) {
                let safe = |name: &String| name.chars().filter(|c| c.is_ascii_graphic()).take(80).collect();
                let theirs = theirs.iter().filter(|name| is_one(name)).take(40).map(safe).collect();
                return Some(Mismatch { kind, theirs, ours: ours.clone() });
            }
        }
        None
    }
}

/// Names of extensions are listed among the key exchange methods.
fn is_one(name: &str) -> bool {
    !name.starts_with("kex-strict-") && !name.starts_with("ext-info-")
}

/// Returns the server's algorithms, a list for each kind. The connection is of no use afterwards.
pub(super) fn offered(socket: &OwnedFd, deadline: Instant) -> Option<Vec<Vec<String>>> {
    lists(&hello(socket, deadline, |bytes| lists(bytes).is_some()))
}

/// Returns the first line of the answer to an SSH banner.
pub(super) fn first_words(socket: &OwnedFd, deadline: Instant) -> Option<String> {
    first_line(&hello(socket, deadline, |bytes| bytes.contains(&b'\n')))
}

/// Sends an SSH banner, and reads until `enough` holds, the connection ends, or the time is up.
fn hello(socket: &OwnedFd, deadline: Instant, enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    // An error ends the reading; what came before it is returned.
    let _ = read(socket, deadline, &enough, &mut bytes);
    bytes
}

fn read(
    socket: &OwnedFd,
    deadline: Instant,
    enough: &impl Fn(&[u8]) -> bool,
    bytes: &mut Vec<u8>,
) -> rustix::io::Result<()> {
    let deadline = deadline.max(Instant::now() + Duration::from_secs(1)).min(Instant::now() + PATIENCE);
    send(socket, HELLO, SendFlags::NOSIGNAL)?;
    let mut chunk = [0; 4096];
    while bytes.len() < MOST && !enough(bytes) {
        let left = deadline.saturating_duration_since(Instant::now());
        let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
        let time = Timespec { tv_sec: seconds, tv_nsec: left.subsec_nanos().into() };
        let mut fds = [PollFd::new(socket, PollFlags::IN)];
        if left.is_zero() || rustix::io::retry_on_intr(|| poll(&mut fds, Some(&time)))? == 0 {
            break;
        }
        match recv(socket, &mut chunk, RecvFlags::empty())? {
            (0, _) => break,
            (count, _) => bytes.extend_from_slice(&chunk[..count]),
        }
    }
    Ok(())
}

/// Parses the lists after a banner. `None` until all of them have come.
fn lists(bytes: &[u8]) -> Option<Vec<Vec<String>>> {
    let mut rest = bytes;
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let (line, behind) = rest.split_at(end + 1);
        rest = behind;
        if line.starts_with(b"SSH-") {
            break;
        }
    }
    // Length, length of the padding; then the message number and a cookie.
    let (_, rest) = rest.split_at_checked(5)?;
    let (kind, rest) = rest.split_first()?;
    if *kind != KEXINIT {
        return None;
    }
    let (_, mut rest) = rest.split_at_checked(16)?;
    let mut lists = Vec::new();
    for _ in KINDS {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let (names, behind) = behind.split_at_checked(u32::from_be_bytes(*length).try_into().ok()?)?;
        rest = behind;
        lists.push(String::from_utf8_lossy(names).split(',').map(str::to_owned).collect());
    }
    Some(lists)
}

#[cfg(test)]
mod tests {
    use super::{SupportedAlgorithms, lists};

    fn packet(names: [&str; 6]) -> Vec<u8> {
        let mut bytes = b"a line before\r\nSSH-2.0-x\r\n\0\0\0\0\x04\x14".to_vec();
        bytes.extend([7; 16]);
        for names in names {
            bytes.extend(u32::try_from(names.len()).expect("short").to_be_bytes());
            bytes.extend(names.as_bytes());
        }
        bytes
    }

    fn known(names: [&str; 6]) -> SupportedAlgorithms {
        SupportedAlgorithms(names.map(|names| names.split(',').map(str::to_owned).collect()))
    }

    #[test]
    fn lists_are_read_once_they_are_whole() {
        let whole = packet(["a,b", "c", "d", "e", "f", "g"]);
        let expected: Vec<Vec<String>> =
            ["a,b", "c", "d", "e", "f", "g"].map(|names| names.split(',').map(str::to_owned).collect()).into();
        assert_eq!(lists(&whole), Some(expected));
        for end in 0..whole.len() {
            assert_eq!(lists(&whole[..end]), None, "{end}");
        }
    }

    #[test]
    fn the_first_kind_without_a_common_one_is_named() {
        let ours = known(["k1,k2", "h1", "aes-ctr,aes-gcm", "aes-ctr,aes-gcm", "m1", "m1"]);
        let kind = |theirs: [&str; 6]| {
            let theirs: Vec<Vec<String>> = theirs.map(|names| names.split(',').map(str::to_owned).collect()).into();
            ours.compare(&theirs).map(|stranger| (stranger.kind, stranger.theirs.join(",")))
        };
        assert_eq!(kind(["k2", "h1", "aes-ctr", "aes-ctr", "m1", "m1"]), None);
        assert_eq!(kind(["k2", "h1", "aes-gcm", "aes-gcm", "none", "none"]), None);
        assert_eq!(
            kind(["k3,kex-strict-s", "h1", "aes-ctr", "aes-ctr", "m1", "m1"]),
            Some(("key exchange method", "k3".into()))
        );
        assert_eq!(kind(["k1", "h2", "aes-ctr", "aes-ctr", "m1", "m1"]), Some(("type of host key", "h2".into())));
        assert_eq!(
            kind(["k1", "h1", "aes-ctr", "aes-ctr", "m2", "m2"]),
            Some(("message authentication code", "m2".into()))
        );
    }
}
