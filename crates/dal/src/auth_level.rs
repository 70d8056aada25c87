//! Where a user of a SurrealDB server is defined.

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
        found.ok_or_else(|| format!("`{text}` is not one of `root`, `namespace`, `database` and `record`"))
    }
}
