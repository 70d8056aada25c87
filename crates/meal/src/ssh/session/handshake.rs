//! From nothing to a session that is logged in. Blocking, with bounds; nothing else runs on it yet.

use std::{
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant},
};

use ssh2::Session;

use super::{
    StepKind, Trace,
    retry::{Dialer, Shaken, reach},
};
use crate::ssh::{
    SshError,
    auth::authenticate,
    known_hosts::{Known, Verdict, fingerprint, key_kind},
    target::{Hop, SecretSource},
};

/// What OpenSSH offers, newest first; for RSA keys the signatures of today before those of yesterday.
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
pub(super) struct Ready {
    pub(super) session: Session,
    pub(super) socket: Arc<OwnedFd>,
}

/// Connects, checks the host key, and logs in.
pub(super) fn connect(
    hop: &Hop,
    dial: &mut Dialer<'_>,
    secrets: Option<&SecretSource>,
    trace: &mut Trace,
) -> Result<Ready, SshError> {
    trace.host(hop.label());
    let known = Known::read(&hop.known_name, &hop.known_hosts).inspect_err(|_| trace.begin(StepKind::HostKey))?;
    for warning in &known.warnings {
        tracing::warn!("{warning}");
    }
    let Shaken { session, socket } = reach(hop, dial, &preference(&known), trace)?;
    trace.note(check_key(hop, &session, &known)?);
    trace.end();
    trace.begin(StepKind::Authenticate);
    authenticate(&session, hop, secrets)?;
    trace.note(hop.user.clone());
    trace.end();
    session.set_timeout(0);
    session.set_blocking(false);
    Ok(Ready { session, socket })
}

/// Lets the next call take until the deadline, and no longer. Zero would mean for ever.
pub(in crate::ssh) fn bound(session: &Session, deadline: Instant) {
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    session.set_timeout(u32::try_from(left.as_millis()).unwrap_or(u32::MAX));
}

/// The types of the known keys first: a host that has several keys shows the first that both sides name.
fn preference(known: &Known) -> String {
    let is_known =
        |name: &str| known.kinds().any(|kind| kind == name || (kind == "ssh-rsa" && name.starts_with("rsa-sha2-")));
    let mut names = HOST_KEYS;
    names.sort_by_key(|name| !is_known(name));
    names.join(",")
}

/// Type and fingerprint of the key, and where it was accepted to, if it was.
fn check_key(hop: &Hop, session: &Session, known: &Known) -> Result<String, SshError> {
    let Some((key, _)) = session.host_key() else {
        return Err(SshError::Handshake { host: hop.label(), detail: "it shows no host key".to_owned() });
    };
    let kind = key_kind(key).unwrap_or("unknown").to_owned();
    let (host, fingerprint) = (hop.known_name.clone(), fingerprint(key));
    match known.verdict(key) {
        Verdict::Known => Ok(format!("{kind} {fingerprint}")),
        Verdict::Unknown if hop.accept_new => match hop.known_hosts.first() {
            Some(file) => {
                Known::accept(&host, key, file)?;
                Ok(format!("{kind} {fingerprint}, accepted into `{}`", file.display()))
            }
            None => Err(SshError::KeyUnknown { host, kind, fingerprint }),
        },
        Verdict::Unknown => Err(SshError::KeyUnknown { host, kind, fingerprint }),
        Verdict::Changed { expected, file, line } => {
            let (kind, expected) = (kind.into(), expected.into());
            Err(SshError::KeyChanged { host, kind, fingerprint, expected, file, line })
        }
        Verdict::Revoked { file, line } => Err(SshError::KeyRevoked { host, kind, fingerprint, file, line }),
    }
}
