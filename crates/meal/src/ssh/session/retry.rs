//! Connects again if the server closes the connection before the handshake is over.
//!
//! sshd drops connections at random once ten are waiting for authentication (`MaxStartups 10:30:100`), which many
//! simultaneous runs meet. Nothing has happened on the server by then. The pauses grow and are random, so that the
//! clients do not retry in step, and `connectTimeout` bounds them.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    os::fd::OwnedFd,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use ssh2::{MethodType, Session};

use super::{
    Trace,
    algorithm_mismatch::{self, SupportedAlgorithms as Ours},
    banner::{HandshakeFailure, shake},
    dial,
    transport::Transport,
};
use crate::ssh::{SshError, algorithms::prefer, target::Hop};

/// The first pause, and the longest.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);

/// Makes a connection to the host, before a deadline.
pub(super) type Dialer<'a> = dyn FnMut(Instant, &mut Trace) -> Result<Transport, SshError> + 'a;

/// A session after the handshake, with a host key that was not checked yet.
pub(super) struct UnverifiedSession {
    pub(super) session: Session,
    pub(super) socket: Arc<OwnedFd>,
}

/// Connects and makes the handshake; again, if the server drops it. `host_keys` are the accepted host key types.
pub(super) fn reach(
    hop: &Hop,
    dial: &mut Dialer<'_>,
    host_keys: &str,
    trace: &mut Trace,
) -> Result<UnverifiedSession, SshError> {
    let begin = Instant::now();
    let deadline = begin + hop.connect_timeout;
    let start = trace.done.len();
    let mut tries: u32 = 0;
    let mut compared = false;
    // The error of the last attempt, in case the time runs out in the next one.
    let mut dropped = None;
    loop {
        trace.done.truncate(start);
        trace.host(hop.label());
        let transport = match (dial(deadline, trace), dropped.take()) {
            (Err(SshError::ConnectTimedOut { .. }), Some(dropped)) => return Err(dropped),
            (socket, before) => {
                dropped = before;
                socket?
            }
        };
        let (socket, process) = (Arc::clone(&transport.socket), transport.process.clone());
        trace.begin(super::StepKind::HostKey);
        let other = |error: &ssh2::Error| SshError::Handshake { host: hop.label(), detail: error.message().to_owned() };
        let mut session = Session::new().map_err(|error| other(&error))?;
        session.set_tcp_stream(transport);
        prefer(&session, hop)?;
        session.method_pref(MethodType::HostKey, host_keys).map_err(|error| other(&error))?;
        let failure = match shake(&mut session, &socket, deadline) {
            Ok(()) => return Ok(UnverifiedSession { session, socket }),
            Err(failure) => failure,
        };
        tries += 1;
        // If the connection is a process that failed, its error is the best explanation.
        let late = matches!(failure, HandshakeFailure::TimedOut);
        if let Some(error) =
            process.as_ref().and_then(|process| process.explain(hop.label(), hop.connect_timeout, late))
        {
            return Err(error);
        }
        let ours = Ours::of(&session, host_keys, &hop.algorithms);
        drop((session, socket, process));
        let (message, greeted, reset) = match failure {
            HandshakeFailure::Dropped { text, greeted, reset } => (text, greeted, reset),
            HandshakeFailure::TimedOut => {
                let late = || dial::timed_out(hop, "waiting for the SSH handshake");
                return Err(dropped.unwrap_or_else(late));
            }
            HandshakeFailure::NotSsh(first_line) => {
                let look =
                    || algorithm_mismatch::first_words(&dial(deadline, &mut Trace::new()).ok()?.socket, deadline);
                let first_line = first_line.or_else(look).unwrap_or_else(|| "something else".to_owned());
                return Err(SshError::NotSsh { host: hop.label(), first_line });
            }
            HandshakeFailure::Other(error) => {
                let mismatch = compare(dial, &ours, deadline);
                return Err(mismatch.map_or_else(|| other(&error), |mismatch| mismatch.error(hop.label())));
            }
        };
        // Either side may be the first to find nothing in common, and to close the connection.
        if greeted
            && !std::mem::replace(&mut compared, true)
            && let Some(mismatch) = compare(dial, &ours, deadline)
        {
            return Err(mismatch.error(hop.label()));
        }
        let error = SshError::Dropped { host: hop.label(), reset, tries, after: begin.elapsed(), message };
        let pause = pause(tries);
        if Instant::now() + pause >= deadline {
            return Err(error);
        }
        tracing::debug!(%error, "dialing again");
        dropped = Some(error);
        thread::sleep(pause);
    }
}

/// Compares the algorithms of both sides over a second connection.
fn compare(dial: &mut Dialer<'_>, ours: &Ours, deadline: Instant) -> Option<algorithm_mismatch::Mismatch> {
    let transport = dial(deadline, &mut Trace::new()).ok()?;
    ours.compare(&algorithm_mismatch::offered(&transport.socket, deadline)?)
}

/// Doubles each time, up to one second; a random half to the whole of that.
fn pause(tries: u32) -> Duration {
    let most = PAUSE.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1).min(10))).min(LONGEST);
    let chance = RandomState::new().build_hasher().finish() % 1000;
    most / 2 + most / 2 * u32::try_from(chance).unwrap_or_default() / 1000
}

#[cfg(test)]
mod tests {
    use super::{Duration, LONGEST, PAUSE, pause};

    #[test]
    fn pauses_grow_and_stay_bounded() {
        for _ in 0..100 {
            assert!((PAUSE / 2..=PAUSE).contains(&pause(1)));
            assert!((LONGEST / 2..=LONGEST).contains(&pause(40)));
        }
        let several: std::collections::HashSet<Duration> = (0..20).map(|_| pause(5)).collect();
        assert!(several.len() > 1, "all in step");
    }
}
