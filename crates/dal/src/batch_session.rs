//! Sessions of bulk work, which other processes must not wait for.

use std::{pin::pin, time::Duration};

use crate::{DalError, Database, Session, embedded::MemtableSize};

/// How long a session is kept while its holder waits for something else. Opening a session takes about as long.
const PATIENCE: Duration = Duration::from_millis(20);

/// Reacquires a session between batches, so that other processes get the database in between.
#[derive(Debug)]
pub(crate) struct BatchSession {
    database: Database,
    memtable: MemtableSize,
    session: Option<Session>,
}

impl BatchSession {
    /// Opens no session yet.
    pub(crate) fn new(database: &Database) -> Self {
        Self { database: database.clone(), memtable: MemtableSize::Usual, session: None }
    }

    /// Prepares sessions in which weights are written.
    pub(crate) fn for_bulk_writes(database: &Database) -> Self {
        Self { memtable: MemtableSize::Large, ..Self::new(database) }
    }

    pub(crate) const fn database(&self) -> &Database {
        &self.database
    }

    /// Returns the open session, or a new one if that one has been open for long enough.
    pub(crate) async fn acquire(&mut self) -> Result<&Session, DalError> {
        let session = match self.session.take() {
            Some(session) if session.should_yield() => session.renew().await?,
            Some(session) => session,
            None => self.database.session_with(self.memtable).await?,
        };
        Ok(self.session.insert(session))
    }

    /// Waits for something else, and closes the session if that takes time.
    pub(crate) async fn waiting<T>(&mut self, other: impl Future<Output = T>) -> Result<T, DalError> {
        let mut other = pin!(other);
        if self.session.is_some() {
            if let Ok(answer) = tokio::time::timeout(PATIENCE, &mut other).await {
                return Ok(answer);
            }
            self.close().await?;
        }
        Ok(other.await)
    }

    /// Closes the session, if one is open.
    pub(crate) async fn close(&mut self) -> Result<(), DalError> {
        match self.session.take() {
            Some(session) => session.close().await,
            None => Ok(()),
        }
    }
}
