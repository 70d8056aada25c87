//! Connects, checks the host key, and logs in. Blocking, with time limits, before the session's loop runs.

use std::{net::TcpStream, os::fd::OwnedFd, sync::Arc};

use ssh2::Session;

use super::{
    StepKind, Trace,
    retry::{Dialer, UnverifiedSession, reach},
};
use crate::ssh::{
    SshError, algorithms,
    auth::{LoginFailure, authenticate},
    known_hosts::{KnownKeys, Verdict, fingerprint, key_kind},
    target::{Hop, SecretSource, UnknownHostKey},
};

/// The host key types that OpenSSH offers, in its order; for RSA keys SHA-2 signatures before SHA-1.
const HOST_KEYS: [&str; 7] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
    "ssh-rsa",
];

/// A session that is logged in.
pub(super) struct LoggedIn {
    pub(super) session: Session,
    pub(super) socket: Arc<OwnedFd>,
}

/// Connects, checks the host key, and logs in.
///
/// A server that hangs up during the login may refuse it, or may just be restarted, or killed. A second connection tells
/// them apart: what refuses does so again.
pub(super) fn connect(
    hop: &Hop,
    dial: &mut Dialer<'_>,
    secrets: Option<&SecretSource>,
    trace: &mut Trace,
) -> Result<LoggedIn, SshError> {
    trace.host(hop.label());
    let known = KnownKeys::read(&hop.known_name, hop.known_name_without_port.as_deref(), &hop.known_hosts)
        .inspect_err(|_| trace.begin(StepKind::HostKey))?;
    let host_keys = algorithms::host_keys(hop, &preference(&known))?;
    let start = trace.done.len();
    let mut repeated = false;
    let LoggedIn { session, socket } = loop {
        let unverified = reach(hop, dial, &host_keys, trace)?;
        match log_in(hop, unverified, &known, secrets, trace) {
            Ok(session) => break session,
            Err(LoginFailure { error, may_be_cut: true }) if !repeated => {
                tracing::debug!(%error, "logging in once more");
                trace.done.truncate(start);
                repeated = true;
            }
            Err(LoginFailure { error, .. }) => return Err(error),
        }
    };
    session.set_timeout(0);
    session.set_blocking(false);
    Ok(LoggedIn { session, socket })
}

/// Checks the host key, and logs in.
fn log_in(
    hop: &Hop,
    UnverifiedSession { session, socket }: UnverifiedSession,
    known: &KnownKeys,
    secrets: Option<&SecretSource>,
    trace: &mut Trace,
) -> Result<LoggedIn, LoginFailure> {
    if hop.loopback_unchecked && is_loopback(&socket) {
        trace.note("not checked, because it is this machine".to_owned());
    } else {
        let checked = check_key(hop, &session, known).map_err(|error| LoginFailure { error, may_be_cut: false });
        trace.note(checked?);
    }
    trace.end();
    trace.begin(StepKind::Authenticate);
    authenticate(&session, hop, secrets)?;
    trace.note(hop.user.clone());
    trace.end();
    Ok(LoggedIn { session, socket })
}

/// Puts the types of the recorded keys first: a host with several keys shows the first type that both sides name.
fn preference(known: &KnownKeys) -> [&'static str; HOST_KEYS.len()] {
    let is_known =
        |name: &str| known.kinds().any(|kind| kind == name || (kind == "ssh-rsa" && name.starts_with("rsa-sha2-")));
    let mut names = HOST_KEYS;
    names.sort_by_key(|name| !is_known(name));
    names
}

/// Checks the host key. Returns type and fingerprint, and the file in which the key was recorded, if it was.
fn check_key(hop: &Hop, session: &Session, known: &KnownKeys) -> Result<String, SshError> {
    let Some((key, _)) = session.host_key() else {
        return Err(SshError::Handshake { host: hop.label(), detail: "it shows no host key".to_owned() });
    };
    let kind = key_kind(key).unwrap_or("unknown").to_owned();
    let (host, fingerprint) = (hop.known_name.clone(), fingerprint(key));
    let verdict = known.verdict(key);
    if verdict != Verdict::Known {
        known.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    }
    match verdict {
        Verdict::Known => Ok(format!("{kind} {fingerprint}")),
        Verdict::Unknown if hop.unknown == UnknownHostKey::Refuse => {
            Err(SshError::KeyUnknown { host, kind, fingerprint })
        }
        Verdict::Unknown => match hop.record_in.as_ref().map(|file| (file, KnownKeys::accept(&host, key, file))) {
            Some((file, Ok(()))) => Ok(format!("{kind} {fingerprint}, accepted into `{}`", file.display())),
            // Recording the key was requested.
            Some((_, Err(error))) if hop.unknown == UnknownHostKey::Record => Err(error),
            None if hop.unknown == UnknownHostKey::Record => Err(SshError::KeyUnknown { host, kind, fingerprint }),
            Some((file, Err(error))) => {
                let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::warn!(
                    "the host key of `{host}` is accepted, and cannot be written to `{}`: {why}",
                    file.display()
                );
                Ok(format!("{kind} {fingerprint}, accepted"))
            }
            None => Ok(format!("{kind} {fingerprint}, accepted")),
        },
        Verdict::Changed { expected, file, line } => {
            let (kind, expected) = (kind.into(), expected.into());
            Err(SshError::KeyChanged { host, kind, fingerprint, expected, file, line })
        }
        Verdict::Revoked { file, line } => Err(SshError::KeyRevoked { host, kind, fingerprint, file, line }),
    }
}

/// Whether the other end is on this machine. False for connections through a jump host or a process.
fn is_loopback(socket: &OwnedFd) -> bool {
    let peer = socket.try_clone().and_then(|socket| TcpStream::from(socket).peer_addr());
    peer.is_ok_and(|peer| peer.ip().is_loopback())
}
