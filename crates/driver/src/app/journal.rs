//! Moving the journal into the database before the log is read, as far as that is possible.

use std::time::Duration;

use mer_core::with_causes;
use mer_dal::{DalError, Database, DrainOptions, DrainReport, Drained, Session, Settings};

use super::App;
use crate::{errors::CliError, ui::counted};

/// How long a command that reads the log waits for a database on a server to be written: a table may be locked.
const PATIENCE: Duration = Duration::from_secs(10);

impl App {
    /// As [`App::session`], on a database that has what is known of all runs, as far as that can be had: what cannot be
    /// written may be read all the same. What is missing is told as a warning.
    ///
    /// # Errors
    /// As [`App::session`].
    pub(crate) async fn session_drained(&self) -> Result<Session, CliError> {
        let session = self.session().await?;
        let (session, report, stopped) = self.drained(session, DrainOptions::default()).await?;
        told(&report, stopped.as_ref());
        if !self.database.settings().url.is_embedded()
            && let Err(error) = self.close_silent(&session).await
        {
            tracing::warn!("runs that nobody hears of any more are listed as `started`: {}", with_causes(&error));
        }
        Ok(session)
    }

    /// As [`App::session_of_any_age`]; where the database is not a newer one, its journal is drained as far as that can be.
    ///
    /// # Errors
    /// As [`App::session`].
    pub(crate) async fn session_of_any_age_drained(&self) -> Result<Session, CliError> {
        let waiting = self.telling_of_database();
        let opened = self.checked(self.database.session().await?, true).await?;
        drop(waiting);
        match opened {
            (session, true) => Ok(session),
            (session, false) => {
                let (session, report, stopped) = self.drained(session, DrainOptions::default()).await?;
                told(&report, stopped.as_ref());
                Ok(session)
            }
        }
    }

    /// Drains the journal. Gives a session that is as good as the one before, and what put an end to it.
    ///
    /// # Errors
    /// There is no session any more.
    pub(crate) async fn drained(
        &self,
        session: Session,
        options: DrainOptions,
    ) -> Result<(Session, DrainReport, Option<DalError>), CliError> {
        if session.database().settings().url.is_embedded() {
            let Drained { session, report, stopped } = session.drain_what_can_be(options).await?;
            return Ok((session, report, stopped));
        }
        if self.database.pending().segments == 0 {
            return Ok((session, DrainReport::default(), None));
        }
        let drained = async {
            let Drained { session, report, stopped } =
                impatient(session.database()).session().await?.drain_what_can_be(options).await?;
            session.close().await?;
            Ok((report, stopped))
        };
        let (report, stopped) = drained.await.unwrap_or_else(|error| (DrainReport::default(), Some(error)));
        Ok((session, report, stopped))
    }

    async fn close_silent(&self, session: &Session) -> Result<(), DalError> {
        if !session.has_silent().await? {
            return Ok(());
        }
        let writer = impatient(&self.database).session().await?;
        let closed = writer.close_silent().await;
        writer.close().await?;
        closed
    }
}

/// The same database with a short wait.
fn impatient(database: &Database) -> Database {
    let mut settings = Settings { wait: database.settings().wait.min(PATIENCE), ..database.settings().clone() };
    settings.server.call_timeout = settings.server.call_timeout.min(PATIENCE);
    Database::new(settings)
}

/// Says what is not in the database.
pub(crate) fn told(report: &DrainReport, stopped: Option<&DalError>) {
    if let Some(error) = stopped {
        tracing::warn!("what waits in the journal of this machine is not in the database yet: {}", with_causes(error));
    }
    for skipped in &report.skipped {
        tracing::warn!("the journal segment `{}` cannot be read: {}", skipped.path.display(), skipped.reason);
    }
    for place in &report.elsewhere {
        let (count, address) = (counted(place.segments as u64, "journal segment"), &place.address);
        tracing::warn!("{count} of this database, as it was at `{address}`, left alone: `mer doctor` says what to do");
    }
}
