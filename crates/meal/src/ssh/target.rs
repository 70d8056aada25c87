//! What the caller provides about a server, and the hosts of a route with everything resolved.

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, time::Duration};

use mer_core::ConnParams;

use super::{config::Algorithms, proxy::ProxyCommand};

/// A secret that is requested when it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretRequest<'a> {
    /// The value of an environment variable (`passwordEnv`).
    Env(&'a str),
    /// The first line of a file (`passwordFile`).
    File(&'a str),
    /// The first line that a command prints (`passwordCommand`).
    Command(&'a [String]),
    /// The passphrase of a private key file.
    Passphrase(&'a std::path::Path),
    /// Reports that the passphrase was wrong, so that it is not given again. The answer is ignored.
    WrongPassphrase(&'a std::path::Path),
}

/// Answers a [`SecretRequest`]: the secret, `None` if there is none, or why it is not available. Called on a separate
/// thread, so that it may block.
pub type SecretSource = Arc<dyn Fn(SecretRequest<'_>) -> Result<Option<String>, String> + Send + Sync>;

/// Files, user and variables of this machine. This crate reads nothing of it from the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SshEnvironment {
    /// The home folder, which `~` stands for.
    pub home: Option<PathBuf>,
    /// The folder of `config`, `known_hosts` and `id_*`: `~/.ssh`, or a folder beside the settings if there is no
    /// HOME.
    pub folder: Option<PathBuf>,
    /// The folder of the system's `ssh_config` and `ssh_known_hosts`: `/etc/ssh`.
    pub system_folder: Option<PathBuf>,
    /// The local user, which logs in if no other is named. May be unknown in containers.
    pub user: Option<String>,
    /// The socket of the agent, if there is one.
    pub agent: Option<PathBuf>,
    /// The environment, without secrets: for `${NAME}` in the configuration, for `SendEnv`, and for `ProxyCommand`.
    pub variables: Arc<BTreeMap<String, String>>,
}

/// Everything that is needed to reach a server.
#[derive(Clone)]
pub struct SshConfig {
    /// The server's name in the registry. It is the host too, if the registry names none.
    pub server: String,
    /// The parameters in the registry.
    pub params: ConnParams,
    /// Files, user and variables of this machine.
    pub environment: SshEnvironment,
    /// Answers requests for secrets.
    pub secrets: Option<SecretSource>,
    /// Whether unknown host keys are accepted and recorded, as by `mer server ping --accept-new`.
    pub accept_new: bool,
}

impl fmt::Debug for SshConfig {
    /// Leaves the parameters out, because they may contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshConfig")
            .field("server", &self.server)
            .field("host", &self.params.host)
            .finish_non_exhaustive()
    }
}

/// Where a password comes from.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Password {
    Plain(String),
    Env(String),
    File(String),
    Command(Vec<String>),
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// A key file to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) path: PathBuf,
    pub(super) origin: Origin,
}

/// Why a key file is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The registry names it.
    Registry,
    /// The SSH configuration names it.
    Config,
    /// It has a default name, and may be missing.
    Usual,
}

/// An authentication method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    PublicKey,
    KeyboardInteractive,
    Password,
}

impl Method {
    /// Its name in the protocol and in `PreferredAuthentications`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::PublicKey => "publickey",
            Self::KeyboardInteractive => "keyboard-interactive",
            Self::Password => "password",
        }
    }
}

/// What to do about an unknown host key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnknownHostKey {
    /// Refuse it.
    Refuse,
    /// Accept and record it, because the configuration says so. A warning if it cannot be recorded.
    Accept,
    /// Record it, because that was requested. An error if it cannot be recorded.
    Record,
}

/// One host of a route, with everything resolved.
#[derive(Debug, Clone)]
pub(super) struct Hop {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    /// The name in known_hosts.
    pub(super) known_name: String,
    /// The name without its port, if keys recorded under it count.
    pub(super) known_name_without_port: Option<String>,
    pub(super) known_hosts: Vec<PathBuf>,
    /// Where accepted keys are recorded.
    pub(super) record_in: Option<PathBuf>,
    pub(super) unknown: UnknownHostKey,
    /// Whether the host key is not checked for a loopback address.
    pub(super) loopback_unchecked: bool,
    /// In the order in which they are named.
    pub(super) identities: Vec<Identity>,
    pub(super) certificates: Vec<PathBuf>,
    pub(super) agent: Option<PathBuf>,
    /// Whether the agent is the usual one (`SSH_AUTH_SOCK`), which a lent one replaces.
    pub(super) is_usual_agent: bool,
    /// Folders for the socket between libssh2 and the agent; the first usable one is taken.
    pub(super) socket_folders: Vec<PathBuf>,
    /// Whether only the keys of `identities` and `certificates` are offered by the agent.
    pub(super) identities_only: bool,
    /// In the order in which they are tried.
    pub(super) methods: Vec<Method>,
    pub(super) password: Option<Password>,
    pub(super) proxy_command: Option<ProxyCommand>,
    pub(super) connect_timeout: Duration,
    /// Number of connection attempts, a second apart.
    pub(super) connection_attempts: u32,
    pub(super) auth_timeout: Duration,
    pub(super) keepalive: Duration,
    pub(super) keepalive_count: u32,
    pub(super) algorithms: Algorithms,
}

impl Hop {
    /// `host`, or `host:port` if the port is not 22.
    pub(super) fn label(&self) -> String {
        if self.port == 22 { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }
}

/// The route to a server: the jump hosts, and the server itself.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) jumps: Vec<Hop>,
    pub(super) target: Hop,
    /// Variables of the remote environment: `SendEnv` and `SetEnv`.
    pub(super) variables: BTreeMap<String, String>,
    /// What was requested and will not be done.
    pub(super) warnings: Vec<String>,
}

impl Route {
    /// Returns the same route with another agent in place of the usual one.
    pub(super) fn with_agent(&self, agent: &std::path::Path) -> Self {
        let mut route = self.clone();
        for hop in route.jumps.iter_mut().chain([&mut route.target]).filter(|hop| hop.is_usual_agent) {
            hop.agent = Some(agent.to_owned());
        }
        route
    }
}
