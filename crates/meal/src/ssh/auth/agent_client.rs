//! A client of the SSH agent with a time limit.
//!
//! libssh2 has one too. It waits forever, and requests the wrong signature for an RSA certificate.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with},
};

use super::{
    public_key::PublicKey,
    wire_format::{Reader, put_string},
};

pub(super) const FAILURE: u8 = 5;
pub(super) const REQUEST_IDENTITIES: u8 = 11;
pub(super) const IDENTITIES_ANSWER: u8 = 12;
pub(super) const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
/// As in OpenSSH.
pub(super) const LONGEST: usize = 256 * 1024;
const MOST_KEYS: u32 = 2048;

/// A key that the agent holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AgentKey {
    pub(super) public: PublicKey,
    pub(super) comment: String,
}

/// A connection to an agent.
#[derive(Debug)]
pub(super) struct AgentClient(UnixStream);

impl AgentClient {
    pub(super) fn connect(path: &Path) -> io::Result<Self> {
        let socket =
            socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
        // Does not wait: if the queue of the socket is full, the agent has not accepted connections for a long time.
        connect(&socket, &SocketAddrUnix::new(path)?).map_err(|errno| match errno {
            Errno::AGAIN => io::Error::new(io::ErrorKind::TimedOut, "it accepts no connections"),
            other => other.into(),
        })?;
        let stream = UnixStream::from(socket);
        stream.set_nonblocking(false)?;
        Ok(Self(stream))
    }

    /// Returns its keys, in its order.
    pub(super) fn keys(&mut self, deadline: Instant) -> io::Result<Vec<AgentKey>> {
        let answer = self.ask(&[REQUEST_IDENTITIES], deadline)?;
        let keys = || {
            let mut reader = Reader(&answer);
            let (kind, count) = (reader.byte()?, reader.number()?);
            if kind != IDENTITIES_ANSWER || count > MOST_KEYS {
                return None;
            }
            let key = |_| {
                let (blob, comment) = (reader.string()?, reader.string()?);
                let comment = String::from_utf8_lossy(comment).into_owned();
                Some(AgentKey { public: PublicKey { blob: blob.to_vec() }, comment })
            };
            (0..count).map(key).collect::<Option<Vec<_>>>()
        };
        keys().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it does not list its keys"))
    }

    /// Requests a signature. Returns the agent's answer as it is, to be passed on.
    pub(super) fn sign(&mut self, key: &[u8], data: &[u8], flags: u32, deadline: Instant) -> io::Result<Vec<u8>> {
        let mut request = vec![SIGN_REQUEST];
        put_string(&mut request, key);
        put_string(&mut request, data);
        request.extend_from_slice(&flags.to_be_bytes());
        let answer = self.ask(&request, deadline)?;
        if answer.first() == Some(&SIGN_RESPONSE) {
            return Ok(answer);
        }
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "it refuses to sign"))
    }

    fn ask(&mut self, request: &[u8], deadline: Instant) -> io::Result<Vec<u8>> {
        let mut message = Vec::new();
        put_string(&mut message, request);
        let mut rest = message.as_slice();
        while !rest.is_empty() {
            self.0.set_write_timeout(Some(left(deadline)?))?;
            match self.0.write(rest) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => rest = &rest[count..],
                Err(error) => heed(error)?,
            }
        }
        let length = self.read(4, deadline)?;
        let length = Reader(&length).number().and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX);
        if length == 0 || length > LONGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its answer is invalid"));
        }
        self.read(length, deadline)
    }

    fn read(&mut self, length: usize, deadline: Instant) -> io::Result<Vec<u8>> {
        let (mut bytes, mut filled) = (vec![0; length], 0);
        while filled < length {
            self.0.set_read_timeout(Some(left(deadline)?))?;
            match self.0.read(&mut bytes[filled..]) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection")),
                Ok(count) => filled += count,
                Err(error) => heed(error)?,
            }
        }
        Ok(bytes)
    }
}

/// Ignores a read or write that timed out: the caller checks the deadline.
fn heed(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => Ok(()),
        _ => Err(error),
    }
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::Error::new(io::ErrorKind::TimedOut, "it does not answer")) } else { Ok(left) }
}
