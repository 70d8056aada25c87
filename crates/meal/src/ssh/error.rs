//! Errors of connections to other machines: a variant for each fault that has a remedy of its own.

use std::{io, net::SocketAddr, path::PathBuf, time::Duration};

use mer_core::{Bound, Classified, FailureKind, Shortage};
use thiserror::Error;

/// A connection that was not made, or was lost. Cheap to clone, because several runs may wait for one connection.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum SshError {
    /// The registry or the SSH configuration cannot be used as it is.
    #[error("the server `{server}` cannot be used: {reason}")]
    Config {
        /// The server's name.
        server: String,
        /// What is wrong.
        reason: String,
    },
    /// The name does not resolve to an address.
    #[error("`{host}` does not resolve")]
    NotResolved {
        /// The name.
        host: String,
        /// The error of the resolver.
        #[source]
        source: std::sync::Arc<io::Error>,
    },
    /// The address refuses connections: no process listens there.
    #[error("`{address}` refuses connections")]
    Refused {
        /// The last address tried.
        address: SocketAddr,
    },
    /// No route, no network, or another failure of the socket.
    #[error("`{address}` cannot be reached")]
    Unreachable {
        /// The last address tried.
        address: SocketAddr,
        /// The error of the system.
        #[source]
        source: std::sync::Arc<io::Error>,
    },
    /// The connection was not made within `connectTimeout`.
    #[error("no connection to `{host}` after {}: `connectTimeout` ran out while {step}", Bound::After(*after))]
    ConnectTimedOut {
        /// The host.
        host: String,
        /// The bound.
        after: Duration,
        /// The step that took too long.
        step: &'static str,
    },
    /// The host answers, but does not complete the SSH handshake.
    #[error("`{host}` does not complete the SSH handshake: {detail}")]
    Handshake {
        /// The host.
        host: String,
        /// The error of libssh2.
        detail: String,
    },
    /// The host closed or reset each connection before the SSH handshake was over.
    #[error(
        "`{host}` {} connections before the SSH handshake is over ({tries} in {}): {}",
        if *reset { "resets" } else { "closes" }, Bound::After(whole(*after)),
        said.as_ref().map_or_else(|| "it says nothing".to_owned(), |said| format!("it says `{said}`"))
    )]
    Dropped {
        /// The host.
        host: String,
        /// Whether the last connection was reset rather than closed.
        reset: bool,
        /// Number of attempts.
        tries: u32,
        /// Duration of all attempts.
        after: Duration,
        /// The text that the host sent last, shortened.
        said: Option<String>,
    },
    /// Another service than SSH answers.
    #[error("`{host}` does not speak SSH: it says `{said}`")]
    NotSsh {
        /// The host.
        host: String,
        /// The first line of the answer, shortened.
        said: String,
    },
    /// The host and MER have no algorithm of a kind in common.
    #[error("`{host}` and MER know no {kind} in common: it offers {theirs}; MER knows {ours}")]
    NothingInCommon {
        /// The host.
        host: String,
        /// The kind of algorithm, as sshd_config names it.
        kind: &'static str,
        /// Names, as SSH has them.
        theirs: Box<str>,
        /// Names, as SSH has them.
        ours: Box<str>,
    },
    /// The host key is in no known_hosts file.
    #[error("the host key of `{host}` is not known: {kind} {fingerprint}")]
    KeyUnknown {
        /// As known_hosts would name it.
        host: String,
        /// The key's type.
        kind: String,
        /// `SHA256:…`
        fingerprint: String,
    },
    /// The host key differs from the known one.
    #[error(
        "the host key of `{host}` has changed: it shows {kind} {fingerprint}, and `{}` line {line} has {expected}",
        file.display()
    )]
    KeyChanged {
        /// As known_hosts names it.
        host: String,
        /// The type of the key that was shown.
        kind: Box<str>,
        /// Its fingerprint.
        fingerprint: String,
        /// Type and fingerprint of the key that is known.
        expected: Box<str>,
        /// The known_hosts file with the known key.
        file: PathBuf,
        /// The line in that file, from 1.
        line: usize,
    },
    /// The host key is revoked.
    #[error("the host key of `{host}` is revoked by `{}` line {line}: {kind} {fingerprint}", file.display())]
    KeyRevoked {
        /// As known_hosts names it.
        host: String,
        /// The key's type.
        kind: String,
        /// Its fingerprint.
        fingerprint: String,
        /// The known_hosts file.
        file: PathBuf,
        /// The line in that file, from 1.
        line: usize,
    },
    /// A known_hosts file could not be read or written.
    #[error("`{}` cannot be used", path.display())]
    KnownHosts {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: std::sync::Arc<io::Error>,
    },
    /// Every method of authentication failed.
    #[error("`{user}` cannot log in on `{host}`: {}", tried_list(tried))]
    AuthFailed {
        /// The user on the host.
        user: String,
        /// The known_hosts file.
        host: String,
        /// Each method that was tried, and its result.
        tried: Vec<String>,
        /// Number of attempts after which the server closed the connection, if it did.
        hung_up_after: Option<usize>,
    },
    /// Authentication was not over within `authTimeout`.
    #[error("`{user}` was not logged in on `{host}` after {}: `authTimeout` ran out while {step}", Bound::After(*after))]
    AuthTimedOut {
        /// The user on the host.
        user: String,
        /// The known_hosts file.
        host: String,
        /// The bound.
        after: Duration,
        /// The step that took too long.
        step: String,
    },
    /// The server refuses to open any channel.
    #[error("`{host}` refuses to open a channel: {detail}")]
    ChannelRefused {
        /// The host.
        host: String,
        /// The error of the server.
        detail: String,
    },
    /// An established connection was lost.
    #[error("the connection to `{host}` was lost: {detail}")]
    ConnectionLost {
        /// The host.
        host: String,
        /// How the loss was noticed.
        detail: String,
    },
    /// The shell on the host does not run commands as expected.
    #[error("`{host}` does not run commands as expected: {detail}")]
    NoShell {
        /// The host.
        host: String,
        /// What it did instead.
        detail: String,
    },
    /// An rc file of the login shell keeps the command from starting.
    #[error(
        "the login shell on `{host}` did not start the command within {}: {}", Bound::After(*after),
        said.as_ref().map_or_else(|| "it printed nothing".to_owned(), |said| format!("it printed {said}"))
    )]
    NoGreeting {
        /// The known_hosts file.
        host: String,
        /// The bound.
        after: Duration,
        /// The output of the shell, quoted and shortened.
        said: Option<String>,
    },
    /// The command did not start within the bound.
    #[error("the command did not start on `{host}` within {}", Bound::After(*after))]
    StartTimedOut {
        /// The known_hosts file.
        host: String,
        /// The bound.
        after: Duration,
    },
    /// The `ProxyCommand`, whose pipes carry the connection, failed.
    #[error("the `ProxyCommand` to `{host}` failed: {detail}")]
    ProxyCommand {
        /// The host.
        host: String,
        /// How it ended, and its output.
        detail: String,
    },
    /// The connection to a jump host failed.
    #[error("the jump host `{hop}` cannot be passed")]
    Jump {
        /// The host.
        hop: String,
        /// What is wrong.
        #[source]
        source: Box<SshError>,
    },
    /// The jump host cannot connect to the next host.
    #[error("`{host}` cannot be reached from the jump host `{hop}`: {detail}")]
    NoWayOn {
        /// The host.
        host: String,
        /// The jump host.
        hop: String,
        /// The error of the jump host.
        detail: String,
    },
    /// This machine is short of file descriptors, threads or memory.
    #[error("no {what} for the connection to `{host}`")]
    Resources {
        /// The host.
        host: String,
        /// The resource.
        what: &'static str,
        /// The error of the system.
        #[source]
        source: std::sync::Arc<io::Error>,
    },
}

impl SshError {
    pub(super) fn resources(host: String, what: &'static str, source: impl Into<io::Error>) -> Self {
        Self::Resources { host, what, source: std::sync::Arc::new(source.into()) }
    }
}

impl Classified for SshError {
    fn failure_kind(&self) -> FailureKind {
        // A shortage of this machine says nothing about the other one.
        if let Some(shortage) = Shortage::of(self) {
            return shortage.failure_kind();
        }
        match self {
            Self::Config { .. } => FailureKind::Config,
            Self::KeyUnknown { .. }
            | Self::KeyChanged { .. }
            | Self::KeyRevoked { .. }
            | Self::KnownHosts { .. }
            | Self::AuthFailed { .. } => FailureKind::Refused,
            Self::Jump { source, .. } => source.failure_kind(),
            Self::Resources { .. } => FailureKind::Busy,
            _ => FailureKind::Unreachable,
        }
    }
}

/// Rounds up to whole tenths of a second, which is enough for a message.
fn whole(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX).div_ceil(100) * 100)
}

fn tried_list(tried: &[String]) -> String {
    if tried.is_empty() {
        return "there is nothing to try: no key file, no agent, no password".to_owned();
    }
    format!("no method is left (tried {})", tried.join("; "))
}
