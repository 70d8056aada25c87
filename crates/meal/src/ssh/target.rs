//! What the caller knows about a server, and what becomes of it together with the SSH configuration.

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, time::Duration};

use mer_core::ConnParams;

use super::{config::Algorithms, proxy::ProxyCommand};

/// A secret that the caller is asked for at the moment it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretRequest<'a> {
    /// The value of an environment variable (`passwordEnv`).
    Env(&'a str),
    /// The first line of a file (`passwordFile`).
    File(&'a str),
    /// The first line that a command prints (`passwordCommand`).
    Command(&'a [String]),
    /// The passphrase of a private key.
    Passphrase(&'a std::path::Path),
    /// That passphrase was not the right one: the answer is of no interest, but it should not be given again.
    WrongPassphrase(&'a std::path::Path),
}

/// Answers a [`SecretRequest`]: the secret, nothing where there is none, or why it cannot be had. Called on a thread of
/// its own, so it may wait.
pub type SecretSource = Arc<dyn Fn(SecretRequest<'_>) -> Result<Option<String>, String> + Send + Sync>;

/// Where things are on this machine. Nothing of it is read from the environment here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SshEnvironment {
    /// What `~` means.
    pub home: Option<PathBuf>,
    /// The folder of `config`, `known_hosts` and `id_*`: `~/.ssh`, or one beside the settings where there is no HOME.
    pub folder: Option<PathBuf>,
    /// The folder of the machine's own `ssh_config` and `ssh_known_hosts`: `/etc/ssh`.
    pub system_folder: Option<PathBuf>,
    /// The user on this machine: that name logs in where no other is given. Containers may have none.
    pub user: Option<String>,
    /// The agent's socket. Cron has none.
    pub agent: Option<PathBuf>,
    /// The environment, without what is secret: for `${NAME}` in the configuration, for `SendEnv`, and for what a
    /// `ProxyCommand` runs.
    pub variables: Arc<BTreeMap<String, String>>,
}

/// All that is needed to reach a server.
#[derive(Clone)]
pub struct SshConfig {
    /// The server's name in the registry; also its host where the registry names none.
    pub server: String,
    /// What the registry says.
    pub params: ConnParams,
    /// Where things are.
    pub environment: SshEnvironment,
    /// Who knows the secrets.
    pub secrets: Option<SecretSource>,
    /// Whether unknown host keys are accepted and written down, as `mer server ping --accept-new` does.
    pub accept_new: bool,
}

impl fmt::Debug for SshConfig {
    /// Without the parameters: a password may be among them.
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

/// A key file that is tried.
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
    /// It has one of the usual names: it is no loss where there is none.
    Usual,
}

/// A way of logging in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    PublicKey,
    KeyboardInteractive,
    Password,
}

impl Method {
    /// As the protocol and `PreferredAuthentications` name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::PublicKey => "publickey",
            Self::KeyboardInteractive => "keyboard-interactive",
            Self::Password => "password",
        }
    }
}

/// What becomes of a host key that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// It is refused.
    Refuse,
    /// It is accepted and written down, because the configuration says so; where it cannot be written, that is said.
    Accept,
    /// It is to be written down: that is what was asked for.
    Record,
}

/// One host on the way, with everything decided.
#[derive(Debug, Clone)]
pub(super) struct Hop {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    /// As known_hosts has it.
    pub(super) known_name: String,
    /// The name without its port, where that may stand for it: a key that is known by it is known.
    pub(super) known_name_without_port: Option<String>,
    pub(super) known_hosts: Vec<PathBuf>,
    /// Where accepted keys are written.
    pub(super) record_in: Option<PathBuf>,
    pub(super) unknown: Unknown,
    /// Whether the host key is not looked at where the address is one of this machine.
    pub(super) loopback_unchecked: bool,
    /// In the order in which they are named.
    pub(super) identities: Vec<Identity>,
    pub(super) certificates: Vec<PathBuf>,
    pub(super) agent: Option<PathBuf>,
    /// Where a socket between libssh2 and the agent may be for a moment; the first that can be used.
    pub(super) socket_folders: Vec<PathBuf>,
    /// Whether the agent may offer only the keys of `identities` and `certificates`.
    pub(super) identities_only: bool,
    /// In the order in which they are tried.
    pub(super) methods: Vec<Method>,
    pub(super) password: Option<Password>,
    pub(super) proxy_command: Option<ProxyCommand>,
    pub(super) connect_timeout: Duration,
    /// How often it is tried, a second apart, to get a connection.
    pub(super) connection_attempts: u32,
    pub(super) auth_timeout: Duration,
    pub(super) keepalive: Duration,
    pub(super) keepalive_count: u32,
    pub(super) algorithms: Algorithms,
}

impl Hop {
    /// `host`, or `host:port` where that says more.
    pub(super) fn label(&self) -> String {
        if self.port == 22 { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }
}

/// The way to a server: the hosts to pass through, and the server itself at the end.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) jumps: Vec<Hop>,
    pub(super) target: Hop,
    /// Variables of the environment over there: `SendEnv` and `SetEnv`.
    pub(super) variables: BTreeMap<String, String>,
    /// What was asked for and will not be done.
    pub(super) warnings: Vec<String>,
}
