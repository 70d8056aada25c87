//! A session: the time during which a database is open.

use std::{
    ops::Deref,
    time::{Duration, Instant},
};

use crate::{
    DalError, Database, DrainOptions, DrainReport, Drained, Store,
    embedded::{Lease, MemtableSize},
    journal,
};

/// How long bulk work keeps a session until it closes and opens it again. With a batch on top it stays below a second.
const TURN: Duration = Duration::from_millis(600);

/// An open database; through it a [`Store`] is reached.
///
/// [`Session::close`] waits until everything is given back. A session that is dropped instead (a cancelled task, a
/// panic) is closed behind our back, in the same order, by the thread that owns the engine: the next lease is given
/// out only after that. Only an error of closing is lost then.
#[derive(Debug)]
pub struct Session {
    store: Store,
    database: Database,
    lease: Option<Lease>,
    opened: Instant,
}

impl Session {
    pub(crate) fn new(store: Store, database: Database, lease: Option<Lease>) -> Self {
        Self { store, database, lease, opened: Instant::now() }
    }

    /// The database this session is open on.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// Moves what waits in the journal into the database, see [`crate::drain`]. The session may be closed and opened
    /// again on the way, so that others get their turn.
    ///
    /// # Errors
    /// As [`crate::drain`].
    pub async fn drain(self) -> Result<(Self, DrainReport), DalError> {
        let Drained { session, report, stopped } = self.drain_what_can_be(DrainOptions::default()).await?;
        match stopped {
            None => Ok((session, report)),
            Some(error) => {
                // Why it could not be drained matters more than how it closed.
                let _ = session.close().await;
                Err(error)
            }
        }
    }

    /// As [`Session::drain`], as far as that is possible: what keeps the rest from the database is told beside the
    /// session, which is as good as before.
    ///
    /// # Errors
    /// The session had to be closed in between, and cannot be opened again.
    pub async fn drain_what_can_be(self, options: DrainOptions) -> Result<Drained, DalError> {
        journal::drain_session(self, options).await
    }

    /// Whether it has lasted so long that bulk work should let others have their turn, or is full. Asked before every batch.
    #[must_use]
    pub fn should_yield(&self) -> bool {
        self.opened.elapsed() > TURN || self.is_full()
    }

    /// Whether so much has been written that bulk work must close it: more would not be safe if this process were killed.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.lease.as_ref().is_some_and(Lease::is_used_up)
    }

    /// Closes and opens again, so that others get their turn.
    ///
    /// # Errors
    /// As [`Session::close`] and [`Database::session`].
    pub async fn renew(self) -> Result<Self, DalError> {
        let database = self.database.clone();
        let room = self.lease.as_ref().map_or(MemtableSize::Usual, Lease::room);
        self.close().await?;
        database.session_with(room).await
    }

    /// Closes the database. Embedded: waits for running operations, writes the snapshot, closes the engine, waits until
    /// it has let go of its files, and gives the lease back.
    ///
    /// # Errors
    /// [`DalError::Close`] where the engine does not let go; what was written is safe all the same.
    pub async fn close(self) -> Result<(), DalError> {
        let Self { store, lease, .. } = self;
        drop(store);
        match lease {
            Some(lease) => lease.close().await,
            None => Ok(()),
        }
    }
}

impl Deref for Session {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}
