//! Sessions of the database, with its schema looked after.

use std::time::Duration;

use mer_dal::{DalError, Database, DbUrl, Session, Store};
use mer_migrations::{MigrationError, Policy};

use crate::{
    error::ServiceError,
    events::{Activity, Event},
    runtime::Runtime,
};

impl Runtime {
    /// Opens the database and makes sure that its schema is the one of this version: an embedded database is migrated, one
    /// on a server is checked.
    ///
    /// # Errors
    /// The database cannot be opened, or its schema is another one.
    pub async fn session(&self) -> Result<Session, ServiceError> {
        let _activity = self.begin(Activity::Database);
        self.unreported_session().await
    }

    /// As [`Runtime::session`], for a caller that reports the wait itself.
    pub(crate) async fn unreported_session(&self) -> Result<Session, ServiceError> {
        self.checked(self.database().session().await?, false).await.map(|(session, _)| session)
    }

    /// Opens the database again for an operation that has had a session before: the schema is not checked again.
    ///
    /// # Errors
    /// The database cannot be opened.
    pub async fn another_session(&self) -> Result<Session, ServiceError> {
        let _activity = self.begin(Activity::Database);
        Ok(self.database().session().await?)
    }

    /// As [`Runtime::session`], but opens a database that a newer MER has migrated too, and notifies of it. Such a session
    /// is for reading only.
    ///
    /// # Errors
    /// As [`Runtime::session`].
    pub(crate) async fn session_of_any_age(&self) -> Result<Session, ServiceError> {
        let _activity = self.begin(Activity::Database);
        self.checked(self.database().session().await?, true).await.map(|(session, _)| session)
    }

    /// Returns the session, and whether a newer MER has migrated the database.
    pub(crate) async fn checked(&self, session: Session, may_be_newer: bool) -> Result<(Session, bool), ServiceError> {
        let policy = if self.database().settings().url.is_embedded() { Policy::Migrate } else { Policy::Check };
        match mer_migrations::ensure_current(&session, policy).await {
            Ok(_) => Ok((session, false)),
            Err(error @ MigrationError::Newer { .. }) if may_be_newer => {
                self.notify(Event::NewerDatabase { error: &error });
                Ok((session, true))
            }
            Err(error) => {
                // Why the database cannot be used matters more than how the session closed.
                let _ = session.close().await;
                Err(error.into())
            }
        }
    }

    /// Does `work` in a session of its own, which is closed however the work ends.
    ///
    /// # Errors
    /// As [`Runtime::session`], or that of the work.
    pub async fn in_session<T, E>(&self, work: impl AsyncFnOnce(&Store) -> Result<T, E>) -> Result<T, E>
    where
        E: From<ServiceError>,
    {
        let _activity = self.begin(Activity::Database);
        let session = self.unreported_session().await?;
        let done = work(&session).await;
        let closed = session.close().await;
        // Why the work failed matters more than how the session closed.
        let done = done?;
        closed.map_err(ServiceError::from)?;
        Ok(done)
    }

    /// Opens the database as the user of migrations, whatever its schema is.
    ///
    /// # Errors
    /// The database cannot be opened.
    pub async fn migrations_session(&self) -> Result<Session, ServiceError> {
        let _activity = self.begin(Activity::Database);
        Ok(self.migrations_session_within(self.database().settings().wait).await?)
    }

    /// As [`Runtime::migrations_session`], with another bound on the wait, and unreported.
    pub(crate) async fn migrations_session_within(&self, wait: Duration) -> Result<Session, DalError> {
        self.migrations_database(wait).session().await
    }

    /// Returns the database as the user of migrations reaches it.
    pub(crate) fn migrations_database(&self, wait: Duration) -> Database {
        let mine = self.database().settings();
        // A database in memory is only reached through the same handle.
        if matches!(mine.url, DbUrl::Memory) {
            return self.database().clone();
        }
        let mut settings = mer_dal::Settings { wait, ..mine.clone() };
        if let Some(login) = self.settings().migrations_login.clone() {
            settings.server.username = Some(login.username);
            settings.server.password = login.password;
        }
        Database::new(settings)
    }
}
