//! Which database, and how long to wait for it.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

#[cfg(feature = "postgres")]
use crate::PostgresUrl;
#[cfg(feature = "surreal-server")]
use crate::SurrealUrl;
use crate::{DalError, Dialect, Secret};

/// How long a session is waited for where nobody says otherwise.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(30);

/// What `DbUrl::parse` understands.
const KNOWN: &str = match (cfg!(feature = "postgres"), cfg!(feature = "surreal-server")) {
    (true, true) => {
        "this build knows `embedded`, `surrealkv://PATH`, `mem://`, `postgres://HOST/DATABASE`, `ws://HOST` and `wss://HOST`"
    }
    (true, false) => "this build knows `embedded`, `surrealkv://PATH`, `mem://` and `postgres://HOST/DATABASE`",
    (false, true) => "this build knows `embedded`, `surrealkv://PATH`, `mem://`, `ws://HOST` and `wss://HOST`",
    (false, false) => "this build knows `embedded`, `surrealkv://PATH` and `mem://`",
};

/// Where a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DbUrl {
    /// The SurrealKV engine inside this process, on this folder.
    Embedded(PathBuf),
    /// An engine in memory, gone with the process.
    Memory,
    /// A PostgreSQL server.
    #[cfg(feature = "postgres")]
    Postgres {
        /// Which one.
        url: Box<PostgresUrl>,
        /// The folder of this machine's journal, which may serve several databases.
        journal: PathBuf,
    },
    /// A SurrealDB server.
    #[cfg(feature = "surreal-server")]
    Surreal {
        /// Which one.
        url: Box<SurrealUrl>,
        /// The folder of this machine's journal, which may serve several databases.
        journal: PathBuf,
    },
}

impl DbUrl {
    /// Reads `embedded` (the folder `db` of the data folder), `surrealkv://PATH`, `mem://`, `postgres://…`, `ws://…` or
    /// `wss://…`.
    ///
    /// # Errors
    /// [`DalError::Url`] for anything else, and for a path that the engine cannot be given.
    pub fn parse(text: &str, data_dir: &Path) -> Result<Self, DalError> {
        #[cfg(feature = "postgres")]
        if let Some(rest) = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")) {
            let url = Box::new(PostgresUrl::parse(rest)?);
            return Ok(Self::Postgres { url, journal: data_dir.join("journal") });
        }
        #[cfg(feature = "surreal-server")]
        if let Some((scheme @ ("ws" | "wss"), rest)) = text.split_once("://") {
            let url = Box::new(SurrealUrl::parse(scheme == "wss", rest)?);
            return Ok(Self::Surreal { url, journal: data_dir.join("journal") });
        }
        let wrong = |reason: &str| DalError::Url { url: mer_core::redacted_url(text), reason: reason.to_owned() };
        let folder = match text {
            "embedded" => data_dir.join("db"),
            "mem://" | "memory" => return Ok(Self::Memory),
            _ => match text.strip_prefix("surrealkv://") {
                Some("") => return Err(wrong("a path belongs after `surrealkv://`")),
                Some(path) => PathBuf::from(path),
                None => return Err(wrong(KNOWN)),
            },
        };
        // The engine takes its folder as the text of a URL: what follows a `?` would be options.
        match folder.to_str() {
            None => Err(DalError::FolderName {
                url: mer_core::redacted_url(text),
                folder: folder.to_string_lossy().into_owned(),
            }),
            Some(path) if path.contains('?') => Err(wrong("the engine cannot use a path with a `?` in it")),
            Some(_) => Ok(Self::Embedded(folder)),
        }
    }

    /// Whether the database is inside this process: then it is migrated by itself on first use.
    #[must_use]
    pub const fn is_embedded(&self) -> bool {
        matches!(self, Self::Embedded(_) | Self::Memory)
    }
}

impl DbUrl {
    /// The language that it speaks.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres { .. } => Dialect::Postgres,
            _ => Dialect::Surreal,
        }
    }
}

impl fmt::Display for DbUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(path) => write!(f, "surrealkv://{}", path.display()),
            Self::Memory => f.write_str("mem://"),
            #[cfg(feature = "postgres")]
            Self::Postgres { url, .. } => url.fmt(f),
            #[cfg(feature = "surreal-server")]
            Self::Surreal { url, .. } => url.fmt(f),
        }
    }
}

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

/// Where a user of a SurrealDB server is defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthLevel {
    /// `DEFINE USER … ON ROOT`.
    Root,
    /// `DEFINE USER … ON NAMESPACE`.
    Namespace,
    /// `DEFINE USER … ON DATABASE`.
    Database,
    /// `DEFINE ACCESS … ON DATABASE TYPE RECORD`.
    Record,
}

impl AuthLevel {
    /// Every level by the name that settings and URLs use.
    pub const NAMES: [(&str, Self); 4] =
        [("root", Self::Root), ("namespace", Self::Namespace), ("database", Self::Database), ("record", Self::Record)];
}

impl std::str::FromStr for AuthLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::NAMES.iter().find(|(name, _)| *name == text).map(|(_, level)| *level);
        found.ok_or_else(|| format!("`{text}` is none of `root`, `namespace`, `database` and `record`"))
    }
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

#[cfg(test)]
mod tests {
    use mer_core::{Classified as _, FailureKind};

    use super::*;

    #[test]
    fn urls_are_read_and_strange_ones_refused() {
        let parse = |text: &str| DbUrl::parse(text, Path::new("/d"));
        assert_eq!(parse("embedded").unwrap(), DbUrl::Embedded("/d/db".into()));
        assert_eq!(parse("surrealkv:///x/y z").unwrap(), DbUrl::Embedded("/x/y z".into()));
        assert_eq!(parse("mem://").unwrap(), DbUrl::Memory);
        #[cfg(feature = "postgres")]
        assert_eq!(parse("postgresql://u:p@h/d").unwrap().to_string(), "postgres://u@h/d");
        for bad in ["", "surrealkv://", "surrealkv:///a?b", "mysql://x", "/plain/path"] {
            let error = parse(bad).unwrap_err();
            assert_eq!(error.failure_kind(), FailureKind::Config, "{bad}");
        }
    }
}
