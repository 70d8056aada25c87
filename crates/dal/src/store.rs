//! The Store: every question MER asks a database, whichever it is.

use std::time::Duration;

use jiff::Timestamp;
use mer_core::{Access, AccessKind, AttemptKey, Model, Registry, Server};
use uuid::Uuid;

#[cfg(feature = "postgres")]
use crate::postgres::PostgresStore;
use crate::{DalError, MigrationLock, RegistryCopy, pages::Cursor, surreal::SurrealStore};

/// How long an attempt that goes on is taken for alive after its host has said so.
pub const ALIVE: Duration = Duration::from_secs(90);

/// Which accesses are listed, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessFilter {
    /// At most so many.
    pub limit: usize,
    /// Of this model only.
    pub model: Option<String>,
    /// Of runs with this version of the model's weights only, and of the training that made it; means nothing without the
    /// model.
    pub version: Option<u64>,
    /// That began at this time or later.
    pub since: Option<Timestamp>,
    /// Of these kinds only; of every kind where none is named.
    pub kinds: Vec<AccessKind>,
}

impl Default for AccessFilter {
    fn default() -> Self {
        Self { limit: 50, model: None, version: None, since: None, kinds: Vec::new() }
    }
}

/// A row of `Migrations`: a script that has been applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// Its number.
    pub number: u32,
    /// Its name, without number and ending.
    pub name: String,
    /// sha256 of its text, line ends normalised.
    pub checksum: String,
    /// When.
    pub applied_at: Timestamp,
    /// How long it took.
    pub duration_ms: f64,
    /// The version of MER that applied it.
    pub mer_version: String,
    /// Whether it is an organisation's own script, and none of MER's.
    pub own: bool,
}

/// The first line of a script that is not to be run in a transaction.
const NO_TRANSACTION: &str = "-- mer: no-transaction";

/// A script to be applied, together with its row, in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptRun {
    /// Its number.
    pub number: u32,
    /// Its name, without number and ending.
    pub name: String,
    /// Its file name, for messages.
    pub file: String,
    /// sha256 of its text, line ends normalised.
    pub checksum: String,
    /// Its text.
    pub sql: String,
    /// The version of MER that applies it.
    pub mer_version: String,
    /// Whether it is an organisation's own script, and none of MER's.
    pub own: bool,
}

impl ScriptRun {
    /// Whether it is to be run in a transaction: its first line may say that it is not.
    pub(crate) fn in_transaction(&self) -> bool {
        self.sql.lines().next().is_none_or(|line| line.trim_end() != NO_TRANSACTION)
    }
}

/// The language of a database, by which its scripts are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// SurrealQL.
    Surreal,
    /// PostgreSQL's SQL.
    Postgres,
}

/// What every driver can do. Private: the set of backends is closed, and [`Store`] is its enum.
pub(crate) trait Backend {
    async fn servers(&self) -> Result<Vec<Server>, DalError>;
    async fn models(&self) -> Result<Vec<Model>, DalError>;
    async fn server(&self, name: &str) -> Result<Option<Server>, DalError>;
    async fn model(&self, name: &str) -> Result<Option<Model>, DalError>;
    async fn apply(&self, registry: &Registry, seen: Option<&Registry>) -> Result<(), DalError>;
    async fn restore(&self, copy: &RegistryCopy) -> Result<(), DalError>;
    async fn remove_model(&self, name: &str) -> Result<(), DalError>;
    async fn remove_server(&self, name: &str) -> Result<Vec<String>, DalError>;
    async fn record(&self, accesses: &[Access]) -> Result<(), DalError>;
    async fn accesses(
        &self,
        filter: &AccessFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<Access>, DalError>;
    async fn accesses_between(&self, first: Uuid, last: Uuid, limit: usize) -> Result<Vec<Access>, DalError>;
    async fn access(&self, request: Uuid) -> Result<Vec<Access>, DalError>;
    async fn keep_alive(&self, host: &str, attempts: &[AttemptKey]) -> Result<(), DalError>;
    async fn has_silent(&self) -> Result<bool, DalError>;
    async fn close_silent(&self) -> Result<(), DalError>;
    async fn accesses_after(&self, key: AttemptKey, limit: usize) -> Result<Vec<Access>, DalError>;
    async fn database_uid(&self) -> Result<Uuid, DalError>;
    async fn new_uid(&self) -> Result<Uuid, DalError>;
    async fn check_encoding(&self) -> Result<(), DalError>;
    async fn applied(&self) -> Result<Option<Vec<Applied>>, DalError>;
    async fn lock_migrations(&self) -> Result<MigrationLock, DalError>;
    async fn create_migrations(&self) -> Result<(), DalError>;
    async fn apply_script(&self, lock: &mut MigrationLock, script: &ScriptRun) -> Result<Applied, DalError>;
    async fn note_script(&self, script: &ScriptRun) -> Result<Applied, DalError>;
}

/// An open database. Reached through a [`crate::Session`].
#[derive(Debug, Clone)]
pub struct Store(pub(crate) Driver);

/// The closed set of backends.
#[derive(Debug, Clone)]
pub(crate) enum Driver {
    /// SurrealDB: embedded, in memory, or a server.
    Surreal(SurrealStore),
    /// A PostgreSQL server.
    #[cfg(feature = "postgres")]
    Postgres(PostgresStore),
}

/// Each method asks the backend at hand.
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
    /// The servers by name.
    ///
    /// # Errors
    /// [`DalError::Query`], [`DalError::NoSchema`], [`DalError::Row`]; so every method that reads.
    pub async fn servers(&self) -> Result<Vec<Server>, DalError> {
        ask!(self, backend => backend.servers())
    }

    /// The models by name.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn models(&self) -> Result<Vec<Model>, DalError> {
        ask!(self, backend => backend.models())
    }

    /// One server, or nothing where there is none of that name.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn server(&self, name: &str) -> Result<Option<Server>, DalError> {
        ask!(self, backend => backend.server(name))
    }

    /// One model, or nothing where there is none of that name.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn model(&self, name: &str) -> Result<Option<Model>, DalError> {
        ask!(self, backend => backend.model(name))
    }

    /// Servers and models as `mer export` writes them.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn registry(&self) -> Result<Registry, DalError> {
        let servers = self.servers().await?.into_iter().map(|server| (server.name, server.spec)).collect();
        let models = self.models().await?.into_iter().map(|model| (model.name, model.spec)).collect();
        Ok(Registry { servers, models })
    }

    /// Adds what is new and replaces what is there, in one transaction. What the registry does not name stays.
    /// The registry is to be checked first ([`Registry::check`]): a model must name servers that exist.
    ///
    /// # Errors
    /// [`DalError::Query`]; [`DalError::Conflict`] where other writers won every try. Nothing is kept then.
    pub async fn apply(&self, registry: &Registry) -> Result<(), DalError> {
        ask!(self, backend => backend.apply(registry, None))
    }

    /// As [`Store::apply`], but only where each object that is to change is what it was in `seen`, or was absent there
    /// and still is: a change that was made by looking at it, or agreed to by somebody who did.
    ///
    /// # Errors
    /// [`DalError::Changed`]; as [`Store::apply`]. Nothing is kept then.
    pub async fn apply_over(&self, seen: &Registry, registry: &Registry) -> Result<(), DalError> {
        ask!(self, backend => backend.apply(registry, Some(seen)))
    }

    /// Takes over servers and models with their uids and times, in one transaction. What is there already, down to the
    /// times, is not touched; what the copy does not name stays. Times are kept to the microsecond.
    /// The models must name servers that exist, or that come with them.
    ///
    /// # Errors
    /// [`DalError::HasWeights`] of a model that would go, or get another uid; as [`Store::apply`].
    pub async fn restore(&self, copy: &RegistryCopy) -> Result<(), DalError> {
        ask!(self, backend => backend.restore(copy))
    }

    /// Sees to it that there is no model of this name, in one transaction. Its accesses stay.
    ///
    /// # Errors
    /// [`DalError::HasWeights`]; as [`Store::apply`].
    pub async fn remove_model(&self, name: &str) -> Result<(), DalError> {
        ask!(self, backend => backend.remove_model(name))
    }

    /// Sees to it that there is no server of this name, in one transaction, unless models name it: then nothing is
    /// changed, and their names come back. A model that names no server is not among them: it means `local`, which is
    /// not to be removed.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub async fn remove_server(&self, name: &str) -> Result<Vec<String>, DalError> {
        ask!(self, backend => backend.remove_server(name))
    }

    /// Records accesses, in batches. May be repeated with the same ones: of two records of an attempt the one of the
    /// higher [`mer_core::Status::rank`] stays, and of equals the first.
    ///
    /// # Errors
    /// As [`Store::apply`]; whole batches may have been kept.
    pub async fn record(&self, accesses: &[Access]) -> Result<(), DalError> {
        ask!(self, backend => backend.record(accesses))
    }

    /// Accesses, newest first, all at once: see [`crate::AccessPages`] for more than a few.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn accesses(&self, filter: &AccessFilter) -> Result<Vec<Access>, DalError> {
        self.page(filter, None, filter.limit).await
    }

    pub(crate) async fn page(
        &self,
        filter: &AccessFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<Access>, DalError> {
        ask!(self, backend => backend.accesses(filter, after, limit))
    }

    /// The attempts of the requests from one uid to another, both included, in the order of their keys, at most `limit`.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn accesses_between(&self, first: Uuid, last: Uuid, limit: usize) -> Result<Vec<Access>, DalError> {
        ask!(self, backend => backend.accesses_between(first, last, limit))
    }

    /// Every attempt of one request, the first attempt first; none where the request is unknown.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn access(&self, request: Uuid) -> Result<Vec<Access>, DalError> {
        ask!(self, backend => backend.access(request))
    }

    /// Says of attempts that are on record as `started` that they go on, on this host. Nobody closes them as `lost` for
    /// [`ALIVE`], by the server's clock.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub async fn keep_alive(&self, host: &str, attempts: &[AttemptKey]) -> Result<(), DalError> {
        ask!(self, backend => backend.keep_alive(host, attempts))
    }

    /// Whether [`Store::close_silent`] would find something. Only reads.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn has_silent(&self) -> Result<bool, DalError> {
        ask!(self, backend => backend.has_silent())
    }

    /// Closes as `lost` what is on record as `started` and has not been said to go on for too long
    /// ([`Store::keep_alive`]). Should its host be heard of again, the end that it has seen stands above that.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub async fn close_silent(&self) -> Result<(), DalError> {
        ask!(self, backend => backend.close_silent())
    }

    /// The accesses whose key comes after this one, in the order of their keys, at most `limit`: the log, page by page.
    /// As the uids of requests begin with their time, that is also about the order in which they came.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn accesses_after(&self, key: AttemptKey, limit: usize) -> Result<Vec<Access>, DalError> {
        ask!(self, backend => backend.accesses_after(key, limit))
    }

    /// The database's own uid, made when its schema was.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn database_uid(&self) -> Result<Uuid, DalError> {
        ask!(self, backend => backend.database_uid())
    }

    /// Gives the database a new uid: it is no copy of another one any more. What waits in journals for the former uid is
    /// not recorded here.
    ///
    /// # Errors
    /// As [`Store::apply`]; [`DalError::NoSchema`].
    pub async fn new_uid(&self) -> Result<Uuid, DalError> {
        ask!(self, backend => backend.new_uid())
    }

    /// Whether the database can hold every text there is.
    ///
    /// # Errors
    /// [`DalError::Encoding`] where it cannot; [`DalError::Query`].
    pub async fn check_encoding(&self) -> Result<(), DalError> {
        ask!(self, backend => backend.check_encoding())
    }

    /// The rows of `Migrations` by number; nothing where the table does not exist.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn applied(&self) -> Result<Option<Vec<Applied>>, DalError> {
        ask!(self, backend => backend.applied())
    }

    /// Which scripts it is made with.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        match &self.0 {
            Driver::Surreal(_) => Dialect::Surreal,
            #[cfg(feature = "postgres")]
            Driver::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Waits until nobody else migrates this database, as long as a session is waited for, and keeps everybody else
    /// from it. What has been applied is to be read after that.
    ///
    /// # Errors
    /// [`DalError::Migrating`] names who held it when the wait ran out.
    pub async fn lock_migrations(&self) -> Result<MigrationLock, DalError> {
        ask!(self, backend => backend.lock_migrations())
    }

    /// Creates the table `Migrations` where it does not exist.
    ///
    /// # Errors
    /// [`DalError::Query`].
    pub async fn create_migrations(&self) -> Result<(), DalError> {
        ask!(self, backend => backend.create_migrations())
    }

    /// Takes the lock of migrations for one script, see [`Store::apply_script_under`].
    ///
    /// # Errors
    /// As [`Store::lock_migrations`] and [`Store::apply_script_under`].
    pub async fn apply_script(&self, script: &ScriptRun) -> Result<Applied, DalError> {
        let mut lock = self.lock_migrations().await?;
        let applied = self.apply_script_under(&mut lock, script).await;
        lock.release().await;
        applied
    }

    /// Runs a script and writes its row, in one transaction. Where the database is on a server, the script runs under the
    /// lock also when this process dies in the middle of it.
    ///
    /// A script whose first line is `-- mer: no-transaction` runs outside of one: it is one statement, which may be run
    /// again, and its row is written after it.
    ///
    /// # Errors
    /// [`DalError::Script`] names the place and carries the database's own message; nothing of the script is kept.
    /// [`DalError::ScriptRow`] where only the row could not be written.
    pub async fn apply_script_under(&self, lock: &mut MigrationLock, script: &ScriptRun) -> Result<Applied, DalError> {
        ask!(self, backend => backend.apply_script(lock, script))
    }

    /// Ends the script that a call of this store was running when its future was dropped, as a signal does. Waits until
    /// the server has ended it, at most some seconds.
    pub async fn stop_script(&self) {
        match &self.0 {
            Driver::Surreal(_) => {}
            #[cfg(feature = "postgres")]
            Driver::Postgres(store) => store.stop_script().await,
        }
    }

    /// Writes the row of a script without running it. Of a row that is there only name and checksum change.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub async fn note_script(&self, script: &ScriptRun) -> Result<Applied, DalError> {
        ask!(self, backend => backend.note_script(script))
    }
}

#[cfg(test)]
mod tests {
    use super::ScriptRun;

    #[test]
    fn the_first_line_opts_out_of_the_transaction() {
        let script = |sql: &str| ScriptRun {
            number: 1,
            name: String::new(),
            file: String::new(),
            checksum: String::new(),
            sql: sql.to_owned(),
            mer_version: String::new(),
            own: false,
        };
        assert!(!script("-- mer: no-transaction\nCREATE INDEX").in_transaction());
        assert!(script("-- a comment\n-- mer: no-transaction\n").in_transaction());
        assert!(script("").in_transaction());
    }
}
