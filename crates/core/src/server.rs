//! Servers: this machine, or one reached by SSH.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Bound, Size};

/// How a server is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ConnType {
    /// This machine.
    #[default]
    Local,
    /// By SSH.
    Ssh,
}

impl fmt::Display for ConnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Ssh => "ssh",
        })
    }
}

/// What varies from server to server: the schemaless row `ConnTypeParams`.
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
    /// A password in plain text. Works; `mer doctor` warns of it.
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
    /// Argv prefix of every command that runs there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launcher: Option<Vec<String>>,
    /// Bound on making the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Bound>,
    /// Bound on authentication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_timeout: Option<Bound>,
    /// Time between keepalive messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keepalive_interval: Option<Bound>,
    /// Keepalives without an answer before the connection counts as lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keepalive_count: Option<u32>,
    /// How long a remote process lives without a word from `mer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orphan_after: Option<Bound>,
    /// Connections that may be open to the server at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_sessions: Option<u32>,
    /// The folder over there in which weights are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_dir: Option<String>,
    /// How much room weights may take in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_limit: Option<Size>,
}

impl ConnParams {
    /// Every key that a server's table in a registry file may have, `connType` included.
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
        "connectTimeout",
        "authTimeout",
        "keepaliveInterval",
        "keepaliveCount",
        "orphanAfter",
        "maxSessions",
        "cacheDir",
        "cacheLimit",
    ];
}

impl ConnParams {
    /// A key that is set, and says nothing of this machine: all but `launcher` do.
    #[must_use]
    pub fn only_by_ssh(&self) -> Option<&'static str> {
        let set = serde_json::to_value(Self { launcher: None, ..self.clone() }).ok()?;
        Self::KEYS.iter().copied().find(|key| set.get(key).is_some())
    }
}

/// A server as a registry file describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerSpec {
    /// How it is reached.
    #[serde(default)]
    pub conn_type: ConnType,
    /// What varies.
    #[serde(flatten)]
    pub params: ConnParams,
}

/// A server as the database has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    /// Made by the database.
    pub uid: String,
    /// Unique.
    pub name: String,
    /// When it was registered.
    #[serde(serialize_with = "crate::micros")]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[serde(serialize_with = "crate::micros")]
    pub last_updated: Timestamp,
    /// What it is.
    #[serde(flatten)]
    pub spec: ServerSpec,
}

impl Server {
    /// Checks what the types of the fields leave open, but for its name and what it is: those are checked with the registry
    /// ([`crate::Registry::check`]).
    ///
    /// # Errors
    /// The first field that no server has so.
    pub fn check(&self) -> Result<(), crate::Invalid> {
        crate::valid::uid("uid", &self.uid)?;
        crate::valid::time("createdAt", self.created_at)?;
        crate::valid::time("lastUpdated", self.last_updated)
    }
}
