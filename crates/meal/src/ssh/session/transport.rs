//! What carries an SSH connection: a TCP connection, a tunnel through a jump host, or the pipes of a process.

use std::{
    os::fd::{AsRawFd, OwnedFd, RawFd},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{StepKind, Trace, dial::dial};
use crate::ssh::{SshError, proxy::ProxyProcess, target::Hop};

/// The pause between the attempts of `ConnectionAttempts`, as in OpenSSH.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);

/// The socket that libssh2 uses. Dropping it ends the process of a `ProxyCommand`.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    pub(super) socket: Arc<OwnedFd>,
    pub(super) process: Option<Arc<ProxyProcess>>,
}

impl From<OwnedFd> for Transport {
    fn from(socket: OwnedFd) -> Self {
        Self { socket: Arc::new(socket), process: None }
    }
}

impl AsRawFd for Transport {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Connects to a host without a jump host.
pub(super) fn direct(hop: &Hop, deadline: Instant, trace: &mut Trace) -> Result<Transport, SshError> {
    let Some(command) = &hop.proxy_command else { return repeated(hop, deadline, trace).map(Transport::from) };
    trace.begin(StepKind::Connect);
    let (socket, process) = command.start(&hop.label())?;
    trace.note("through `ProxyCommand`".to_owned());
    trace.end();
    Ok(Transport { socket: Arc::new(socket), process: Some(process) })
}

/// Connects as often as `ConnectionAttempts` says, a second apart, before `deadline`.
fn repeated(hop: &Hop, deadline: Instant, trace: &mut Trace) -> Result<OwnedFd, SshError> {
    let steps = trace.done.len();
    for _ in 1..hop.connection_attempts {
        match dial(hop, deadline, trace) {
            Err(SshError::Refused { .. } | SshError::Unreachable { .. })
                if Instant::now() + BETWEEN_ATTEMPTS < deadline =>
            {
                thread::sleep(BETWEEN_ATTEMPTS);
                trace.done.truncate(steps);
                trace.begin(StepKind::Resolve);
            }
            result => return result,
        }
    }
    dial(hop, deadline, trace)
}
