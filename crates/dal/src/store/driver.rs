//! The closed set of database drivers.

#[cfg(feature = "postgres")]
use crate::postgres::PostgresStore;
use crate::{Dialect, surreal::SurrealStore};

/// An open database. Reached through a [`crate::Session`].
#[derive(Debug, Clone)]
pub struct Store(pub(crate) Driver);

/// The driver of an open database.
#[derive(Debug, Clone)]
pub(crate) enum Driver {
    /// SurrealDB: embedded, in memory, or on a server.
    Surreal(SurrealStore),
    /// PostgreSQL on a server.
    #[cfg(feature = "postgres")]
    Postgres(PostgresStore),
}

/// Calls a method of whichever driver a store has.
macro_rules! ask {
    ($store:expr, $backend:ident => $call:expr) => {
        match &$store.0 {
            $crate::store::Driver::Surreal($backend) => $call.await,
            #[cfg(feature = "postgres")]
            $crate::store::Driver::Postgres($backend) => $call.await,
        }
    };
}
pub(crate) use ask;

impl Store {
    /// Returns the language of the database's migration scripts.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        match &self.0 {
            Driver::Surreal(_) => Dialect::Surreal,
            #[cfg(feature = "postgres")]
            Driver::Postgres(_) => Dialect::Postgres,
        }
    }
}
