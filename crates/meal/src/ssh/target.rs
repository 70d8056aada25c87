//! What the caller knows about a server, and what becomes of it together with the SSH configuration.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use mer_core::ConnParams;

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
pub struct SshPlaces {
    /// What `~` means.
    pub home: Option<PathBuf>,
    /// The folder of `config`, `known_hosts` and `id_*`: `~/.ssh`, or one beside the settings where there is no HOME.
    pub folder: Option<PathBuf>,
    /// The folder of the machine's own `ssh_config` and `ssh_known_hosts`: `/etc/ssh`.
    pub system_folder: Option<PathBuf>,
    /// The user on this machine: who logs in where nobody else is named. Containers may have none.
    pub user: Option<String>,
    /// The agent's socket. Cron has none.
    pub agent: Option<PathBuf>,
}

/// All that is needed to reach a server.
#[derive(Clone)]
pub struct SshConfig {
    /// The server's name in the registry; also its host where the registry names none.
    pub server: String,
    /// What the registry says.
    pub params: ConnParams,
    /// Where things are.
    pub places: SshPlaces,
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

/// One host on the way, with everything decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    /// As known_hosts has it.
    pub(super) known_name: String,
    /// The first is where accepted keys are written.
    pub(super) known_hosts: Vec<PathBuf>,
    pub(super) accept_new: bool,
    /// In the order in which they are tried; the flag: it was asked for, so it is an error where it is missing.
    pub(super) identities: Vec<(PathBuf, bool)>,
    pub(super) agent: Option<PathBuf>,
    /// Whether the agent may offer only the keys of `identities`.
    pub(super) identities_only: bool,
    pub(super) password: Option<Password>,
    pub(super) connect_timeout: Duration,
    pub(super) auth_timeout: Duration,
    pub(super) keepalive: Duration,
    pub(super) keepalive_count: u32,
}

impl Hop {
    /// `host`, or `host:port` where that says more.
    pub(super) fn label(&self) -> String {
        if self.port == 22 { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }
}

/// The way to a server: the hosts to pass through, and the server itself at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) jumps: Vec<Hop>,
    pub(super) target: Hop,
    /// What was asked for and will not be done.
    pub(super) warnings: Vec<String>,
}
