//! Identity and schema of the database.

use uuid::Uuid;

use super::{Driver, Store, ask};
use crate::{Applied, DalError, MigrationLock, ScriptRun, backend::MigrationBackend as _};

impl Store {
    /// Returns the uid of the database, which was made together with its schema.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn database_uid(&self) -> Result<Uuid, DalError> {
        ask!(self, backend => backend.database_uid())
    }

    /// Gives the database a new uid, so that it no longer counts as a copy of another one. Records that wait in journals
    /// for the former uid are not drained into it.
    ///
    /// # Errors
    /// As [`Store::apply`]; [`DalError::NoSchema`].
    pub async fn new_uid(&self) -> Result<Uuid, DalError> {
        ask!(self, backend => backend.new_uid())
    }

    /// Checks that the database can hold every text.
    ///
    /// # Errors
    /// [`DalError::Encoding`] if it cannot; [`DalError::Query`].
    pub async fn check_encoding(&self) -> Result<(), DalError> {
        ask!(self, backend => backend.check_encoding())
    }

    /// Returns the rows of `Migrations` by number, or `None` if the table does not exist.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn applied(&self) -> Result<Option<Vec<Applied>>, DalError> {
        ask!(self, backend => backend.applied())
    }

    /// Waits until no other process migrates this database, as long as for a session, and excludes other processes from
    /// then on. Read the applied scripts after that.
    ///
    /// # Errors
    /// [`DalError::Migrating`] names the holder if the wait ran out.
    pub async fn lock_migrations(&self) -> Result<MigrationLock, DalError> {
        ask!(self, backend => backend.lock_migrations())
    }

    /// Creates the table `Migrations` if it does not exist.
    ///
    /// # Errors
    /// [`DalError::Query`].
    pub async fn create_migrations(&self) -> Result<(), DalError> {
        ask!(self, backend => backend.create_migrations())
    }

    /// Applies one script under a migration lock of its own, see [`Store::apply_script_under`].
    ///
    /// # Errors
    /// As [`Store::lock_migrations`] and [`Store::apply_script_under`].
    pub async fn apply_script(&self, script: &ScriptRun) -> Result<Applied, DalError> {
        let mut lock = self.lock_migrations().await?;
        let applied = self.apply_script_under(&mut lock, script).await;
        lock.release().await;
        applied
    }

    /// Runs a script and writes its row in one transaction. On a server the lock covers the script even if this process
    /// dies while it runs.
    ///
    /// A script whose first line is `-- mer: no-transaction` runs outside of a transaction: it is one statement that can
    /// be run again, and its row is written after it.
    ///
    /// # Errors
    /// [`DalError::Script`] names the position and carries the database's message; nothing of the script is kept.
    /// [`DalError::ScriptRow`] if only the row could not be written.
    pub async fn apply_script_under(&self, lock: &mut MigrationLock, script: &ScriptRun) -> Result<Applied, DalError> {
        ask!(self, backend => backend.apply_script(lock, script))
    }

    /// Ends the script that a call of this store was running when its future was dropped, as a signal does. Waits a few
    /// seconds at most until the server has ended it.
    pub async fn stop_script(&self) {
        match &self.0 {
            Driver::Surreal(_) => {}
            #[cfg(feature = "postgres")]
            Driver::Postgres(store) => store.stop_script().await,
        }
    }

    /// Writes the row of a script without running it. If there is a row already, only its name and checksum change.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub async fn note_script(&self, script: &ScriptRun) -> Result<Applied, DalError> {
        ask!(self, backend => backend.note_script(script))
    }
}
