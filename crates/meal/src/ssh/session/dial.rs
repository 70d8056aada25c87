//! Resolves names, and connects to the first address that answers.

use std::{
    io,
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    os::fd::OwnedFd,
    sync::{Arc, mpsc},
    thread,
    time::Instant,
};

use mer_core::not_started;

use super::{StepKind, Trace};
use crate::ssh::{SshError, target::Hop};

/// Connects to a host, trying all of its addresses, before `deadline`.
pub(super) fn dial(hop: &Hop, deadline: Instant, trace: &mut Trace) -> Result<OwnedFd, SshError> {
    let addresses = resolve(hop, deadline)?;
    trace.note(addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(", "));
    trace.end();
    trace.begin(StepKind::Connect);
    let mut failure = timed_out(hop, "resolving the name");
    for (index, address) in addresses.iter().enumerate() {
        // The remaining time is divided among the addresses that were not tried, so that one without an answer leaves
        // time for the others.
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        if share.is_zero() {
            break;
        }
        match TcpStream::connect_timeout(address, share) {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                trace.note(address.to_string());
                trace.end();
                return Ok(stream.into());
            }
            Err(error) => failure = explain(hop, *address, error),
        }
    }
    Err(failure)
}

/// The resolver of the C library has no time limit, so that it runs on a thread that can be abandoned.
fn resolve(hop: &Hop, deadline: Instant) -> Result<Vec<SocketAddr>, SshError> {
    if let Ok(ip) = hop.host.parse() {
        return Ok(vec![SocketAddr::new(ip, hop.port)]);
    }
    let (answer, answered) = mpsc::channel();
    let (host, port) = (hop.host.clone(), hop.port);
    let ask = move || {
        let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        let _ = answer.send(found);
    };
    let asked = thread::Builder::new().name("mer-resolve".to_owned()).spawn(ask);
    asked.map_err(|source| SshError::resources(hop.host.clone(), "thread", not_started(source)))?;
    let unknown = |source: io::Error| SshError::NotResolved { host: hop.host.clone(), source: Arc::new(source) };
    match answered.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(Ok(found)) if found.is_empty() => Err(unknown(io::Error::from(io::ErrorKind::NotFound))),
        Ok(Ok(found)) => Ok(found),
        Ok(Err(source)) => Err(unknown(source)),
        Err(_) => Err(timed_out(hop, "resolving the name")),
    }
}

fn explain(hop: &Hop, address: SocketAddr, error: io::Error) -> SshError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => SshError::Refused { address },
        io::ErrorKind::TimedOut => timed_out(hop, "connecting"),
        _ => SshError::Unreachable { address, source: Arc::new(error) },
    }
}

pub(super) fn timed_out(hop: &Hop, step: &'static str) -> SshError {
    SshError::ConnectTimedOut { host: hop.label(), after: hop.connect_timeout, step }
}
