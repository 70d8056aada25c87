//! The lock under which a database is migrated.

use crate::DalError;
#[cfg(feature = "postgres")]
use crate::postgres::AdvisoryLock;
#[cfg(feature = "surreal-server")]
use crate::surreal::LeaseLock;

/// Excludes other processes from migrating a database, until it is released or dropped.
#[derive(Debug)]
pub struct MigrationLock(Holding);

#[derive(Debug)]
enum Holding {
    /// The lease of the embedded engine is the lock.
    Lease,
    #[cfg(feature = "postgres")]
    Postgres(Box<AdvisoryLock>),
    #[cfg(feature = "surreal-server")]
    Surreal(Box<LeaseLock>),
}

impl MigrationLock {
    pub(crate) const fn lease() -> Self {
        Self(Holding::Lease)
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn postgres(lock: AdvisoryLock) -> Self {
        Self(Holding::Postgres(Box::new(lock)))
    }

    #[cfg(feature = "surreal-server")]
    pub(crate) fn surreal(lock: LeaseLock) -> Self {
        Self(Holding::Surreal(Box::new(lock)))
    }

    /// Returns the lock of a PostgreSQL server, if it is one.
    #[cfg(feature = "postgres")]
    pub(crate) fn advisory(&mut self) -> Option<&mut AdvisoryLock> {
        match &mut self.0 {
            Holding::Postgres(lock) => Some(lock),
            _ => None,
        }
    }

    /// Returns the owner by which a script on a SurrealDB server checks, in its own transaction, that the lock is still
    /// held.
    pub(crate) fn fence(&self) -> Option<uuid::Uuid> {
        match &self.0 {
            #[cfg(feature = "surreal-server")]
            Holding::Surreal(lock) => Some(lock.owner()),
            _ => None,
        }
    }

    /// Checks that the lock is still held: a server releases it when the connection is lost. Call this before each
    /// script.
    ///
    /// # Errors
    /// [`DalError::Lost`] if it is not.
    pub async fn check(&mut self) -> Result<(), DalError> {
        match &mut self.0 {
            Holding::Lease => Ok(()),
            #[cfg(feature = "postgres")]
            Holding::Postgres(lock) => lock.check().await,
            #[cfg(feature = "surreal-server")]
            Holding::Surreal(lock) => lock.check().await,
        }
    }

    /// Releases the lock. If it is dropped instead, it is released as soon as the server has noticed the end of its
    /// connection (PostgreSQL) or its lease has run out (SurrealDB).
    pub async fn release(self) {
        match self.0 {
            Holding::Lease => {}
            #[cfg(feature = "postgres")]
            Holding::Postgres(lock) => lock.release().await,
            #[cfg(feature = "surreal-server")]
            Holding::Surreal(lock) => lock.release().await,
        }
    }
}
