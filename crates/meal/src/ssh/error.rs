//! What can go wrong on the way to another machine. One variant for each thing that a person can mend.

use std::{io, net::SocketAddr, path::PathBuf, time::Duration};

use mer_core::Bound;
use thiserror::Error;

/// A connection that was not made, or was lost. Cheap to clone: several runs may wait for one connection.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum SshError {
    /// The registry or the SSH configuration cannot be used as it is.
    #[error("the server `{server}` cannot be used: {reason}")]
    Config {
        /// The server's name.
        server: String,
        /// Why.
        reason: String,
    },
    /// The name has no address.
    #[error("`{host}` does not resolve")]
    NotResolved {
        /// The name.
        host: String,
        /// What the resolver says.
        #[source]
        source: std::sync::Arc<io::Error>,
    },
    /// Nobody listens there.
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
        /// What the kernel says.
        #[source]
        source: std::sync::Arc<io::Error>,
    },
    /// The connection was not there in time.
    #[error("no connection to `{host}` after {}: `connectTimeout` ran out while {step}", Bound::After(*after))]
    ConnectTimedOut {
        /// Where to.
        host: String,
        /// The bound.
        after: Duration,
        /// What it was waiting for.
        step: &'static str,
    },
    /// Somebody answers, and it is no SSH server that we can talk to.
    #[error("`{host}` does not complete the SSH handshake: {detail}")]
    Handshake {
        /// Who.
        host: String,
        /// What libssh2 says.
        detail: String,
    },
    /// It went away each time before there was an SSH connection.
    #[error(
        "`{host}` {} connections before the SSH handshake is over ({tries} in {}): {}",
        if *reset { "resets" } else { "closes" }, Bound::After(whole(*after)),
        message.as_ref().map_or_else(|| "it says nothing".to_owned(), |message| format!("it says `{message}`"))
    )]
    Dropped {
        /// Which.
        host: String,
        /// Whether the last one was reset rather than closed.
        reset: bool,
        /// How often it was tried.
        tries: u32,
        /// In how much time.
        after: Duration,
        /// What it said last, shortened.
        message: Option<String>,
    },
    /// Something else answers.
    #[error("`{host}` does not speak SSH: it says `{first_line}`")]
    NotSsh {
        /// Which.
        host: String,
        /// Its first line, shortened.
        first_line: String,
    },
    /// Both sides know no common algorithm of a kind.
    #[error("`{host}` and MER know no {kind} in common: it offers {theirs}; MER knows {ours}")]
    NothingInCommon {
        /// Which.
        host: String,
        /// What kind of algorithm.
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
    /// The host shows another key than the known one.
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
        /// Where it is known from.
        file: PathBuf,
        /// And on which line.
        line: usize,
    },
    /// The host shows a key that was revoked.
    #[error("the host key of `{host}` is revoked by `{}` line {line}: {kind} {fingerprint}", file.display())]
    KeyRevoked {
        /// As known_hosts names it.
        host: String,
        /// The key's type.
        kind: String,
        /// Its fingerprint.
        fingerprint: String,
        /// Where.
        file: PathBuf,
        /// On which line.
        line: usize,
    },
    /// A known_hosts file could not be read or written.
    #[error("`{}` cannot be used", path.display())]
    KnownHosts {
        /// The file.
        path: PathBuf,
        /// What the kernel says.
        #[source]
        source: std::sync::Arc<io::Error>,
    },
    /// No method is left.
    #[error("`{user}` cannot log in on `{host}`: {}", tried_list(tried))]
    AuthFailed {
        /// Whom we claimed to be.
        user: String,
        /// Where.
        host: String,
        /// Each thing that was tried, and what came of it.
        tried: Vec<String>,
        /// After how many attempts the server hung up, if it did.
        hung_up_after: Option<usize>,
    },
    /// Authentication was not over in time.
    #[error("`{user}` was not logged in on `{host}` after {}: `authTimeout` ran out while {step}", Bound::After(*after))]
    AuthTimedOut {
        /// Whom we claimed to be.
        user: String,
        /// Where.
        host: String,
        /// The bound.
        after: Duration,
        /// What was being waited for.
        step: String,
    },
    /// The server grants not even one channel.
    #[error("`{host}` refuses to open a channel: {detail}")]
    ChannelRefused {
        /// Who.
        host: String,
        /// What it says.
        detail: String,
    },
    /// A connection that was there is gone.
    #[error("the connection to `{host}` was lost: {detail}")]
    ConnectionLost {
        /// Where to.
        host: String,
        /// What was noticed.
        detail: String,
    },
    /// The shell on the other side did not do what was asked.
    #[error("`{host}` does not run commands as expected: {detail}")]
    NoShell {
        /// Who.
        host: String,
        /// What came instead.
        detail: String,
    },
    /// An rc file of the login shell does not let the command begin.
    #[error(
        "the login shell on `{host}` did not come to the command within {}: {}", Bound::After(*after),
        output.as_ref().map_or_else(|| "it printed nothing".to_owned(), |output| format!("it printed {output}"))
    )]
    NoGreeting {
        /// Where.
        host: String,
        /// The bound.
        after: Duration,
        /// What it printed, quoted and shortened.
        output: Option<String>,
    },
    /// The command was not started in time.
    #[error("the command did not start on `{host}` within {}", Bound::After(*after))]
    StartTimedOut {
        /// Where.
        host: String,
        /// The bound.
        after: Duration,
    },
    /// The process whose pipes are to be the connection did not make one.
    #[error("the `ProxyCommand` to `{host}` failed: {detail}")]
    ProxyCommand {
        /// Where to.
        host: String,
        /// How it ended, and what it said.
        detail: String,
    },
    /// A host on the way could not be passed.
    #[error("the jump host `{hop}` cannot be passed")]
    Jump {
        /// Which.
        hop: String,
        /// Why.
        #[source]
        source: Box<SshError>,
    },
    /// The jump host does not connect to the next host.
    #[error("`{host}` cannot be reached from the jump host `{hop}`: {detail}")]
    NoWayOn {
        /// Where to.
        host: String,
        /// From where.
        hop: String,
        /// What the jump host says.
        detail: String,
    },
    /// This machine has no more file descriptors, threads or memory.
    #[error("no {what} for the connection to `{host}`")]
    Resources {
        /// Where to.
        host: String,
        /// What is missing.
        what: &'static str,
        /// What the kernel says.
        #[source]
        source: std::sync::Arc<io::Error>,
    },
}

impl SshError {
    pub(super) fn resources(host: String, what: &'static str, source: impl Into<io::Error>) -> Self {
        Self::Resources { host, what, source: std::sync::Arc::new(source.into()) }
    }
}

/// Whole tenths of a second are enough for a person.
fn whole(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX).div_ceil(100) * 100)
}

fn tried_list(tried: &[String]) -> String {
    if tried.is_empty() {
        return "there is nothing to try: no key file, no agent, no password".to_owned();
    }
    format!("no method is left (tried {})", tried.join("; "))
}
