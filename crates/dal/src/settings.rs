//! Settings of a database.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use crate::{AuthLevel, DbUrl, Secret};

/// Default bound on waiting for a session.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(30);

/// Settings of a [`crate::Database`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the database is.
    pub url: DbUrl,
    /// Bound on waiting for a session.
    pub wait: Duration,
    /// Folder in which `mem://` keeps its journal.
    pub scratch: PathBuf,
    /// Settings of a database on a server.
    pub server: ServerSettings,
}

/// Settings of a database on a server besides its URL, which takes precedence over all of them. This crate reads no
/// environment: the caller passes its variables in here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSettings {
    /// The database user.
    pub username: Option<String>,
    /// Password of that user. Ignored if the URL names another user.
    pub password: Option<Secret>,
    /// Name of our connections in the server's list, such as `mer run, ada@desk, pid 4711`. The first 63 bytes are
    /// kept.
    pub application: Option<String>,
    /// Environment variables whose names begin with `PG`: PostgreSQL's own settings, see `docs/reference/databases.md`.
    pub variables: BTreeMap<String, String>,
    /// Home folder, in which `.pgpass` is looked up.
    pub home: Option<PathBuf>,
    /// User who runs this process: the database user if no other setting names one.
    pub os_user: Option<String>,
    /// Bound on one call. Migration scripts have [`ServerSettings::script_timeout`] instead.
    pub call_timeout: Duration,
    /// Bound on one migration script.
    pub script_timeout: Duration,
    /// Maximum number of connections.
    pub connections: usize,
    /// Whether prepared statements are kept between calls. Switch it off for a pooler that hands out a connection for
    /// one transaction only (PgBouncer); each call is then one transaction of its own.
    pub statement_cache: bool,
    /// Settings of a SurrealDB server.
    pub surreal: SurrealSettings,
}

/// Settings of a SurrealDB server besides user and password. The URL takes precedence over all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SurrealSettings {
    /// Namespace; the default is `ModelExecutorRuntimeNS`.
    pub namespace: Option<String>,
    /// Database in it; the default is `ModelExecutorRuntimeDB`.
    pub database: Option<String>,
    /// Where the user is defined. Default: a record user if an access method is named; otherwise the levels are tried,
    /// the one with the fewest rights first.
    pub auth_level: Option<AuthLevel>,
    /// Access method of a record user.
    pub access: Option<String>,
    /// PEM file of additional certificate authorities.
    pub tls_ca: Option<PathBuf>,
    /// Accepts any certificate of the server, with a warning.
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
    /// Makes settings with the default wait and `/tmp` for temporary files.
    #[must_use]
    pub fn new(url: DbUrl) -> Self {
        Self { url, wait: DEFAULT_WAIT, scratch: PathBuf::from("/tmp"), server: ServerSettings::default() }
    }
}
