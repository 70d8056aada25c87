//! A session that is held only as long as it is used, and never for long.

use std::{pin::pin, time::Duration};

use crate::{DalError, Database, Session, embedded::Room};

/// How long a session is kept while its holder waits for somebody else: opening it again takes about as long.
const PATIENCE: Duration = Duration::from_millis(20);

/// Turns at a database.
#[derive(Debug)]
pub(super) struct Turn {
    database: Database,
    room: Room,
    session: Option<Session>,
}

impl Turn {
    pub(super) fn new(database: &Database) -> Self {
        Self { database: database.clone(), room: Room::Usual, session: None }
    }

    /// Turns in which weights are written.
    pub(super) fn with_much_to_write(database: &Database) -> Self {
        Self { room: Room::Large, ..Self::new(database) }
    }

    pub(super) const fn database(&self) -> &Database {
        &self.database
    }

    /// A session, opened anew where the last one has lasted long enough.
    pub(super) async fn session(&mut self) -> Result<&Session, DalError> {
        let session = match self.session.take() {
            Some(session) if session.has_had_its_turn() => session.renew().await?,
            Some(session) => session,
            None => self.database.session_with(self.room).await?,
        };
        Ok(self.session.insert(session))
    }

    /// Waits for something else, and lets others have the database where that takes time.
    pub(super) async fn waiting<T>(&mut self, other: impl Future<Output = T>) -> Result<T, DalError> {
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
    pub(super) async fn close(&mut self) -> Result<(), DalError> {
        match self.session.take() {
            Some(session) => session.close().await,
            None => Ok(()),
        }
    }
}
