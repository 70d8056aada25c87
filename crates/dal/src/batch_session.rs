//! A session that is held only as long as it is used, and never for long.

use std::{pin::pin, time::Duration};

use crate::{DalError, Database, Session, embedded::MemtableSize};

/// How long a session is kept while its holder waits for somebody else: opening it again takes about as long.
const PATIENCE: Duration = Duration::from_millis(20);

/// Turns at a database.
#[derive(Debug)]
pub(crate) struct BatchSession {
    database: Database,
    room: MemtableSize,
    session: Option<Session>,
}

impl BatchSession {
    pub(crate) fn new(database: &Database) -> Self {
        Self { database: database.clone(), room: MemtableSize::Usual, session: None }
    }

    /// Turns in which weights are written.
    pub(crate) fn with_much_to_write(database: &Database) -> Self {
        Self { room: MemtableSize::Large, ..Self::new(database) }
    }

    pub(crate) const fn database(&self) -> &Database {
        &self.database
    }

    /// A session, opened anew where the last one has lasted long enough.
    pub(crate) async fn session(&mut self) -> Result<&Session, DalError> {
        let session = match self.session.take() {
            Some(session) if session.should_yield() => session.renew().await?,
            Some(session) => session,
            None => self.database.session_with(self.room).await?,
        };
        Ok(self.session.insert(session))
    }

    /// Waits for something else, and lets others have the database where that takes time.
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

    /// Gives the session back, where there is one.
    pub(crate) async fn close(&mut self) -> Result<(), DalError> {
        match self.session.take() {
            Some(session) => session.close().await,
            None => Ok(()),
        }
    }
}
