//! Draining the journal into the database before the log is read, as far as that is possible.

use std::time::Duration;

use mer_dal::{DalError, Database, DrainOptions, DrainReport, Drained, Session};

use crate::{
    error::ServiceError,
    events::{Activity, Event},
    runtime::Runtime,
};

/// Bound on writing to a database on a server before the log is read: a table may be locked.
const PATIENCE: Duration = Duration::from_secs(10);

/// A session, and what draining the journal has left.
#[derive(Debug)]
pub struct JournalState {
    /// A session that is as good as the one before.
    pub session: Session,
    /// What was moved, and what was left.
    pub report: DrainReport,
    /// Why the rest could not be moved.
    pub stopped: Option<DalError>,
}

impl Runtime {
    /// As [`Runtime::session`], on a database that has what is known of all runs, as far as that can be had: what cannot be
    /// written may be read all the same. Notifies of what is missing.
    ///
    /// # Errors
    /// As [`Runtime::session`].
    pub(crate) async fn session_drained(&self) -> Result<Session, ServiceError> {
        let session = self.drained_and_reported(self.session().await?).await?;
        if !self.database().settings().url.is_embedded()
            && let Err(error) = self.close_silent(&session).await
        {
            self.notify(Event::SilentRunsLeft { error: &error });
        }
        Ok(session)
    }

    /// As [`Runtime::session_of_any_age`]; the journal is drained as far as possible, unless the database is a newer one.
    ///
    /// # Errors
    /// As [`Runtime::session`].
    pub(crate) async fn session_of_any_age_drained(&self) -> Result<Session, ServiceError> {
        let activity = self.begin(Activity::Database);
        let (session, is_newer) = self.checked(self.database().session().await?, true).await?;
        drop(activity);
        if is_newer { Ok(session) } else { self.drained_and_reported(session).await }
    }

    async fn drained_and_reported(&self, session: Session) -> Result<Session, ServiceError> {
        let options = DrainOptions { waits: true, ..DrainOptions::default() };
        let JournalState { session, report, stopped } = self.drained(session, options).await?;
        self.notify(Event::JournalDrained { report: &report, stopped: stopped.as_ref() });
        Ok(session)
    }

    /// Drains the journal. Failing to write is no error here, but part of the result.
    ///
    /// # Errors
    /// The session was lost.
    pub async fn drained(&self, session: Session, options: DrainOptions) -> Result<JournalState, ServiceError> {
        if session.database().settings().url.is_embedded() {
            let Drained { session, report, stopped } = session.drain_what_can_be(options).await?;
            return Ok(JournalState { session, report, stopped });
        }
        if self.database().pending().segments == 0 {
            return Ok(JournalState { session, report: DrainReport::default(), stopped: None });
        }
        let drained = async {
            let Drained { session, report, stopped } =
                impatient(session.database()).session().await?.drain_what_can_be(options).await?;
            session.close().await?;
            Ok((report, stopped))
        };
        let (report, stopped) = drained.await.unwrap_or_else(|error| (DrainReport::default(), Some(error)));
        Ok(JournalState { session, report, stopped })
    }

    /// Closes runs as lost whose process has been silent for too long.
    async fn close_silent(&self, session: &Session) -> Result<(), DalError> {
        if !session.has_silent().await? {
            return Ok(());
        }
        let writer = impatient(self.database()).session().await?;
        let closed = writer.close_silent().await;
        writer.close().await?;
        closed
    }
}

/// The same database with a short wait.
fn impatient(database: &Database) -> Database {
    let mut settings =
        mer_dal::Settings { wait: database.settings().wait.min(PATIENCE), ..database.settings().clone() };
    settings.server.call_timeout = settings.server.call_timeout.min(PATIENCE);
    Database::new(settings)
}
