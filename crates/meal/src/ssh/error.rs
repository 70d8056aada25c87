//! Errors of connections to other machines: a variant for each fault that has a remedy of its own.

use std::{io, net::SocketAddr, path::PathBuf, time::Duration};

use mer_core::{Bound, Classified, FailureKind, Shortage};
use thiserror::Error;

/// A connection that was not made, or was lost. Cheap to clone, because several runs may wait for one connection.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum SshError {
    /// The registry or the SSH configuration is not usable.
    #[error("the server `{server}` cannot be used: {reason}")]
    Config {
        /// The server's name.
        server: String,
        /// The reason.
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
    /// The port is closed.
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
    /// The connection was not made in time.
    #[error("no connection to `{host}` after {}: `connectTimeout` ran out while {step}", Bound::After(*after))]
    ConnectTimedOut {
        /// The host.
        host: String,
        /// The bound.
        after: Duration,
        /// What was being waited for.
        step: &'static str,
    },
    /// A server answers, and the SSH handshake fails.
    #[error("`{host}` does not complete the SSH handshake: {detail}")]
    Handshake {
        /// The host.
        host: String,
        /// The error message of libssh2.
        detail: String,
    },
    /// The connection was closed every time before the SSH handshake was over.
    #[error(
        "`{host}` {} connections before the SSH handshake is over ({tries} in {}): {}",
        if *reset { "resets" } else { "closes" }, Bound::After(whole(*after)),
        message.as_ref().map_or_else(|| "it says nothing".to_owned(), |message| format!("it says `{message}`"))
    )]
    Dropped {
        /// The host.
        host: String,
        /// Whether the last connection was reset rather than closed.
        reset: bool,
        /// Number of attempts.
        tries: u32,
        /// The time that they took.
        after: Duration,
        /// The last message of the server, shortened.
        message: Option<String>,
    },
    /// Another kind of server answers.
    #[error("`{host}` does not speak SSH: it says `{first_line}`")]
    NotSsh {
        /// The host.
        host: String,
        /// The first line of its answer, shortened.
        first_line: String,
    },
    /// Client and server have no algorithm of a kind in common.
    #[error("`{host}` and MER know no {kind} in common: it offers {theirs}; MER knows {ours}")]
    NothingInCommon {
        /// The host.
        host: String,
        /// The kind of algorithm.
        kind: &'static str,
        /// The server's algorithms, by their SSH names.
        theirs: Box<str>,
        /// MER's algorithms, by their SSH names.
        ours: Box<str>,
    },
    /// The host key is in no known_hosts file.
    #[error("the host key of `{host}` is not known: {kind} {fingerprint}")]
    KeyUnknown {
        /// The name that known_hosts would have.
        host: String,
        /// The key's type.
        kind: String,
        /// `SHA256:…`
        fingerprint: String,
    },
    /// The host shows another key than the recorded one.
    #[error(
        "the host key of `{host}` has changed: it shows {kind} {fingerprint}, and `{}` line {line} has {expected}",
        file.display()
    )]
    KeyChanged {
        /// The name in known_hosts.
        host: String,
        /// The type of the shown key.
        kind: Box<str>,
        /// Its fingerprint.
        fingerprint: String,
        /// Type and fingerprint of the recorded key.
        expected: Box<str>,
        /// The file of the recorded key.
        file: PathBuf,
        /// Its line in that file.
        line: usize,
    },
    /// The host shows a revoked key.
    #[error("the host key of `{host}` is revoked by `{}` line {line}: {kind} {fingerprint}", file.display())]
    KeyRevoked {
        /// The name in known_hosts.
        host: String,
        /// The key's type.
        kind: String,
        /// Its fingerprint.
        fingerprint: String,
        /// The file that revokes it.
        file: PathBuf,
        /// The line in that file.
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
    /// No authentication method is left.
    #[error("`{user}` cannot log in on `{host}`: {}", tried_list(tried))]
    AuthFailed {
        /// The user that was to log in.
        user: String,
        /// The host.
        host: String,
        /// Everything that was tried, and the result of each.
        tried: Vec<String>,
        /// The number of attempts after which the server hung up, if it did.
        hung_up_after: Option<usize>,
        /// Whether a passphrase or a password was wanted that this process cannot have, and another one may.
        lacks_secret: bool,
    },
    /// Authentication did not finish in time.
    #[error("`{user}` was not logged in on `{host}` after {}: `authTimeout` ran out while {step}", Bound::After(*after))]
    AuthTimedOut {
        /// The user that was to log in.
        user: String,
        /// The host.
        host: String,
        /// The bound.
        after: Duration,
        /// The step that took too long.
        step: String,
    },
    /// The server opens not even one channel.
    #[error("`{host}` refuses to open a channel: {detail}")]
    ChannelRefused {
        /// The host.
        host: String,
        /// The message of the server.
        detail: String,
    },
    /// An existing connection was lost.
    #[error("the connection to `{host}` was lost: {detail}")]
    ConnectionLost {
        /// The host.
        host: String,
        /// How the loss was noticed.
        detail: String,
    },
    /// The login shell did not run the command as expected.
    #[error("`{host}` does not run commands as expected: {detail}")]
    NoShell {
        /// The host.
        host: String,
        /// What happened instead.
        detail: String,
    },
    /// An rc file of the login shell keeps the command from starting.
    #[error(
        "the login shell on `{host}` did not start the command within {}: {}", Bound::After(*after),
        output.as_ref().map_or_else(|| "it printed nothing".to_owned(), |output| format!("it printed {output}"))
    )]
    NoGreeting {
        /// The host.
        host: String,
        /// The bound.
        after: Duration,
        /// What it printed, quoted and shortened.
        output: Option<String>,
    },
    /// The command did not start in time.
    #[error("the command did not start on `{host}` within {}", Bound::After(*after))]
    StartTimedOut {
        /// The host.
        host: String,
        /// The bound.
        after: Duration,
    },
    /// The process of `ProxyCommand` did not make a connection.
    #[error("the `ProxyCommand` to `{host}` failed: {detail}")]
    ProxyCommand {
        /// The host.
        host: String,
        /// How it ended, and what it printed.
        detail: String,
    },
    /// A jump host could not be used.
    #[error("the jump host `{hop}` cannot be passed")]
    Jump {
        /// The jump host.
        hop: String,
        /// The error of the jump host.
        #[source]
        source: Box<SshError>,
    },
    /// The jump host cannot connect to the next host.
    #[error("`{host}` cannot be reached from the jump host `{hop}`: {detail}")]
    NoWayOn {
        /// The next host.
        host: String,
        /// The jump host.
        hop: String,
        /// The message of the jump host.
        detail: String,
    },
    /// This machine is out of file descriptors, threads or memory.
    #[error("no {what} for the connection to `{host}`")]
    Resources {
        /// The host.
        host: String,
        /// The missing resource.
        what: &'static str,
        /// The error of the system.
        #[source]
        source: std::sync::Arc<io::Error>,
    },
}

impl SshError {
    /// Returns whether a login failed for want of a passphrase or a password that this process cannot have: another one with
    /// a terminal or another environment may.
    #[must_use]
    pub fn lacks_secret(&self) -> bool {
        match self {
            Self::AuthFailed { lacks_secret, .. } => *lacks_secret,
            Self::Jump { source, .. } => source.lacks_secret(),
            _ => false,
        }
    }

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
