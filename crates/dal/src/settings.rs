//! Which database, and how long to wait for it.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::DalError;

/// How long a session is waited for where nobody says otherwise.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(30);

/// Where a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DbUrl {
    /// The SurrealKV engine inside this process, on this folder.
    Embedded(PathBuf),
    /// An engine in memory, gone with the process.
    Memory,
}

impl DbUrl {
    /// Reads `embedded` (the folder `db` of the data folder), `surrealkv://PATH` or `mem://`.
    ///
    /// # Errors
    /// [`DalError::Url`] for anything else, and for a path that the engine cannot be given.
    pub fn parse(text: &str, data_dir: &Path) -> Result<Self, DalError> {
        let wrong = |reason: &str| DalError::Url { url: text.to_owned(), reason: reason.to_owned() };
        let folder = match text {
            "embedded" => data_dir.join("db"),
            "mem://" | "memory" => return Ok(Self::Memory),
            _ => match text.strip_prefix("surrealkv://") {
                Some("") => return Err(wrong("a path belongs after `surrealkv://`")),
                Some(path) => PathBuf::from(path),
                None => return Err(wrong("this build knows `embedded`, `surrealkv://PATH` and `mem://`")),
            },
        };
        // The engine takes its folder as the text of a URL: what follows a `?` would be options.
        match folder.to_str() {
            None => Err(wrong("the path is no UTF-8")),
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

impl fmt::Display for DbUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(path) => write!(f, "surrealkv://{}", path.display()),
            Self::Memory => f.write_str("mem://"),
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
}

impl Settings {
    /// Settings with the default wait, and `/tmp` for what is temporary.
    #[must_use]
    pub fn new(url: DbUrl) -> Self {
        Self { url, wait: DEFAULT_WAIT, scratch: PathBuf::from("/tmp") }
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
        for bad in ["", "surrealkv://", "surrealkv:///a?b", "mysql://x", "/plain/path"] {
            let error = parse(bad).unwrap_err();
            assert_eq!(error.exit_code(), mer_core::ExitCode::CONFIG, "{bad}");
        }
    }
}
