//! Servers: this machine, one that is reached over SSH, or a cluster that is run by Slurm.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Bound, ResourceAmount, Size, SlurmParams};

/// Name of the server that always exists: this machine.
pub const LOCAL_SERVER: &str = "local";

/// How a server is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ConnType {
    /// This machine.
    #[default]
    Local,
    /// Over SSH.
    Ssh,
    /// By jobs of Slurm, from this machine or through a login node over SSH.
    Slurm,
}

impl fmt::Display for ConnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Ssh => "ssh",
            Self::Slurm => "slurm",
        })
    }
}

impl ConnType {
    /// Whether processes of a server with these parameters are started from this machine, with the caller's environment.
    /// Those of a launcher that is remote are not.
    #[must_use]
    pub const fn starts_here(self, params: &ConnParams) -> bool {
        match self {
            Self::Local => !matches!(params.launcher_remote, Some(true)),
            Self::Ssh => false,
            Self::Slurm => params.host.is_none(),
        }
    }
}

/// Parameters of a server: the schemaless row `ConnTypeParams`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConnParams {
    /// Host name, address, or alias of the SSH configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// TCP port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Remote user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Private key file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_file: Option<String>,
    /// File of accepted host keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_hosts: Option<String>,
    /// Hosts to pass through, separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_jump: Option<String>,
    /// A password in plain text; `mer doctor` warns about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Environment variable that holds the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// File whose first line is the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<String>,
    /// Command whose first line of output is the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_command: Option<Vec<String>>,
    /// Argv prefix of every command on the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launcher: Option<Vec<String>>,
    /// Whether the processes of the launcher are on another machine or in a container, such as those of `kubectl exec`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launcher_remote: Option<bool>,
    /// Bound on making the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Bound>,
    /// Bound on authentication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_timeout: Option<Bound>,
    /// Time between keepalive messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keepalive_interval: Option<Bound>,
    /// Number of keepalive messages without an answer after which the connection counts as lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keepalive_count: Option<u32>,
    /// How long a remote process lives after `mer` was last heard from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orphan_after: Option<Bound>,
    /// Maximum number of connections to the server at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_sessions: Option<u32>,
    /// Folder on the server that weights are cached in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_dir: Option<String>,
    /// Maximum size of the cached weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_limit: Option<Size>,
    /// What the server has, by name of the resource. `slots` is unlimited if it is not named; others there are none of.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, ResourceAmount>,
    /// Name of the machine. Servers with the same one share what they have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// What is asked of Slurm.
    #[serde(flatten)]
    pub slurm: SlurmParams,
    /// Keys of a newer version, which are stored and shown.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

impl ConnParams {
    /// Every key of a server's table in a registry file, including `connType`.
    pub const KEYS: &'static [&'static str] = &[
        "connType",
        "host",
        "port",
        "user",
        "identityFile",
        "knownHosts",
        "proxyJump",
        "password",
        "passwordEnv",
        "passwordFile",
        "passwordCommand",
        "launcher",
        "launcherRemote",
        "connectTimeout",
        "authTimeout",
        "keepaliveInterval",
        "keepaliveCount",
        "orphanAfter",
        "maxSessions",
        "cacheDir",
        "cacheLimit",
        "resources",
        "pool",
        "partition",
        "account",
        "qos",
        "gres",
        "time",
        "cpusPerTask",
        "mem",
        "extra",
    ];

    /// Keys that apply to jobs of Slurm, and not only to the connection to a login node.
    const FOR_JOBS: &'static [&'static str] = &["cacheDir", "cacheLimit"];

    /// Keys that apply to a launcher that is remote, and not only to SSH.
    const FOR_LAUNCHERS: &'static [&'static str] = &["orphanAfter", "cacheDir", "cacheLimit"];
}

impl ConnParams {
    /// Returns a key that is set and applies to SSH only. All keys but `launcher`, `launcherRemote`, `resources`, `pool` and those
    /// of Slurm do; for a launcher that is remote, some more.
    #[must_use]
    pub fn only_by_ssh(&self) -> Option<&'static str> {
        let others = if self.launcher_remote == Some(true) { Self::FOR_LAUNCHERS } else { &[] };
        self.keys_of_ssh().find(|key| !others.contains(key))
    }

    /// Returns a key that is set and applies only to the connection to a login node.
    #[must_use]
    pub fn only_by_login(&self) -> Option<&'static str> {
        self.keys_of_ssh().find(|key| !Self::FOR_JOBS.contains(key))
    }

    fn keys_of_ssh(&self) -> impl Iterator<Item = &'static str> {
        let slurm = SlurmParams::default();
        let others = Self {
            launcher: None,
            launcher_remote: None,
            resources: BTreeMap::new(),
            pool: None,
            slurm,
            ..self.clone()
        };
        let set = serde_json::to_value(others).unwrap_or_default();
        Self::KEYS.iter().copied().filter(move |key| set.get(key).is_some())
    }
}

/// A server in a registry file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerSpec {
    /// How it is reached.
    #[serde(default)]
    pub conn_type: ConnType,
    /// Its parameters.
    #[serde(flatten)]
    pub params: ConnParams,
}

impl ServerSpec {
    /// Whether its processes are started from this machine, with the caller's environment: it is this machine, or a cluster
    /// whose commands are on this machine.
    #[must_use]
    pub const fn starts_here(&self) -> bool {
        self.conn_type.starts_here(&self.params)
    }
}

/// A server in the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    /// Generated by the database.
    pub uid: String,
    /// Unique name.
    pub name: String,
    /// Time of registration.
    #[serde(serialize_with = "crate::micros")]
    pub created_at: Timestamp,
    /// Time of the last change.
    #[serde(serialize_with = "crate::micros")]
    pub last_updated: Timestamp,
    /// How it is reached, and its parameters.
    #[serde(flatten)]
    pub spec: ServerSpec,
}

impl Server {
    /// Checks uid and times. Name and parameters are checked by [`crate::Registry::check`].
    ///
    /// # Errors
    /// The first invalid field.
    pub fn check(&self) -> Result<(), crate::Invalid> {
        crate::valid::uid("uid", &self.uid)?;
        crate::valid::time("createdAt", self.created_at)?;
        crate::valid::time("lastUpdated", self.last_updated)
    }
}
