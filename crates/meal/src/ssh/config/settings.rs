//! The settings of one host.

use std::time::Duration;

/// `StrictHostKeyChecking`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::ssh) enum StrictHostKeyChecking {
    /// Unknown keys are refused: `yes`, and `ask`, because nothing asks.
    #[default]
    Yes,
    /// Unknown keys are accepted and recorded, changed ones are refused: `accept-new` and `no`.
    AcceptNew,
}

/// How a host is reached, if not directly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ssh) enum Proxy {
    /// `ProxyJump`: a list of hosts.
    Jump(String),
    /// `ProxyCommand`: a line for the user's shell.
    Command(String),
}

/// The first value of each keyword.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::ssh) struct Settings {
    pub(in crate::ssh) host_name: Option<String>,
    pub(in crate::ssh) user: Option<String>,
    pub(in crate::ssh) port: Option<u16>,
    pub(in crate::ssh) identity_files: Vec<String>,
    pub(in crate::ssh) identities_only: Option<bool>,
    pub(in crate::ssh) identity_agent: Option<String>,
    /// All values, in their order.
    pub(in crate::ssh) certificate_files: Vec<String>,
    /// The first of `ProxyJump` and `ProxyCommand`. `none` disables a later value.
    pub(in crate::ssh) proxy: Option<Proxy>,
    pub(in crate::ssh) user_known_hosts: Option<Vec<String>>,
    pub(in crate::ssh) global_known_hosts: Option<Vec<String>>,
    pub(in crate::ssh) host_key_alias: Option<String>,
    pub(in crate::ssh) strict: Option<StrictHostKeyChecking>,
    pub(in crate::ssh) alive_interval: Option<Duration>,
    pub(in crate::ssh) alive_count: Option<u32>,
    pub(in crate::ssh) connect_timeout: Option<Duration>,
    pub(in crate::ssh) connection_attempts: Option<u32>,
    pub(in crate::ssh) pubkey: Option<bool>,
    pub(in crate::ssh) preferred_authentications: Option<Vec<String>>,
    pub(in crate::ssh) no_host_authentication_for_localhost: Option<bool>,
    /// Patterns of variable names.
    pub(in crate::ssh) send_env: Vec<String>,
    pub(in crate::ssh) set_env: Vec<(String, String)>,
    pub(in crate::ssh) algorithms: Algorithms,
    pub(in crate::ssh) warnings: Vec<String>,
    pub(super) ignore_unknown: Option<Vec<String>>,
}

/// Lists of algorithms as written: names, or names to add (`+`), to remove (`-`) or to put first (`^`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::ssh) struct Algorithms {
    pub(in crate::ssh) ciphers: Option<String>,
    pub(in crate::ssh) macs: Option<String>,
    pub(in crate::ssh) kex: Option<String>,
    pub(in crate::ssh) host_key: Option<String>,
    pub(in crate::ssh) pubkey: Option<String>,
}
