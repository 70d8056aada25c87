//! The URL of a database.

use std::{
    fmt,
    path::{Path, PathBuf},
};

#[cfg(feature = "postgres")]
use crate::PostgresUrl;
#[cfg(feature = "surreal-server")]
use crate::SurrealUrl;
use crate::{DalError, Dialect};

/// URLs that [`DbUrl::parse`] accepts.
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
    /// The SurrealKV engine in this process, on this folder.
    Embedded(PathBuf),
    /// An engine in memory, which ends with the process.
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
                Some("") => return Err(wrong("a path must follow `surrealkv://`")),
                Some(path) => PathBuf::from(path),
                None => return Err(wrong(KNOWN)),
            },
        };
        // The engine takes its folder as text of a URL, in which options follow a `?`.
        match folder.to_str() {
            None => Err(DalError::FolderName {
                url: mer_core::redacted_url(text),
                folder: folder.to_string_lossy().into_owned(),
            }),
            Some(path) if path.contains('?') => Err(wrong("the engine cannot use a path with a `?` in it")),
            Some(_) => Ok(Self::Embedded(folder)),
        }
    }

    /// Returns whether the database is inside this process: such a database is migrated automatically on first use.
    #[must_use]
    pub const fn is_embedded(&self) -> bool {
        matches!(self, Self::Embedded(_) | Self::Memory)
    }

    /// Returns the language of its migration scripts.
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

#[cfg(test)]
mod tests {
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
            assert_eq!(mer_core::Classified::failure_kind(&error), mer_core::FailureKind::Config, "{bad}");
        }
    }
}
