//! Which database, and how long to wait for it.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use crate::{AuthLevel, DbUrl, Secret};

/// How long a session is waited for where nobody says otherwise.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(30);

/// What a [`crate::Database`] is made from.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it is.
    pub url: DbUrl,
    /// Bound on waiting for a session.
    pub wait: Duration,
    /// Where `mem://` keeps its journal while it lives.
    pub scratch: PathBuf,
    /// What a database on a server needs beside its URL.
    pub server: ServerSettings,
}

/// What a database on a server needs beside its URL, which wins over all of it. This crate reads no environment: whoever
/// does hands it over here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSettings {
    /// The database user.
    pub username: Option<String>,
    /// That user's password. Not used for another user that the URL names.
    pub password: Option<Secret>,
    /// What the server's list of connections shows for ours, such as `mer run, ada@desk, pid 4711`. The first 63 bytes
    /// are kept.
    pub application: Option<String>,
    /// The variables of the environment whose names begin with `PG`: PostgreSQL's own settings, see
    /// `docs/reference/databases.md`.
    pub variables: BTreeMap<String, String>,
    /// The home folder, for `.pgpass`.
    pub home: Option<PathBuf>,
    /// Who runs this process: the database user where nothing else names one.
    pub os_user: Option<String>,
    /// Bound on one call. A migration script has [`ServerSettings::script_timeout`] instead.
    pub call_timeout: Duration,
    /// Bound on one migration script.
    pub script_timeout: Duration,
    /// Connections kept at most.
    pub connections: usize,
    /// Whether prepared statements are kept between calls. Not to be done through a pooler that hands out a connection
    /// for a transaction only (PgBouncer): each call is then one transaction of its own.
    pub statement_cache: bool,
    /// What only a SurrealDB server has.
    pub surreal: SurrealSettings,
}

/// What a SurrealDB server needs beside user and password. The URL wins over all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SurrealSettings {
    /// The namespace; `ModelExecutorRuntimeNS` where nobody says otherwise.
    pub namespace: Option<String>,
    /// The database in it; `ModelExecutorRuntimeDB` where nobody says otherwise.
    pub database: Option<String>,
    /// Where the user is defined. Nothing: a record user where an access is named, else the levels are tried, the one of
    /// the fewest rights first.
    pub auth_level: Option<AuthLevel>,
    /// The access method of a record user.
    pub access: Option<String>,
    /// A PEM file of further authorities that may have signed the server's certificate.
    pub tls_ca: Option<PathBuf>,
    /// Takes whatever certificate the server shows, and warns of it.
    pub tls_insecure: bool,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            username: None,
            password: None,
            application: None,
            variables: BTreeMap::new(),
            home: None,
            os_user: None,
            call_timeout: Duration::from_secs(30),
            script_timeout: Duration::from_secs(3600),
            connections: 4,
            statement_cache: true,
            surreal: SurrealSettings::default(),
        }
    }
}

impl Settings {
    /// Settings with the default wait, and `/tmp` for what is temporary.
    #[must_use]
    pub fn new(url: DbUrl) -> Self {
        Self { url, wait: DEFAULT_WAIT, scratch: PathBuf::from("/tmp"), server: ServerSettings::default() }
    }
}
