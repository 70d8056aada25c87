//! Moves the journal into the log.

use mer_dal::{DrainOptions, DrainReport};

use crate::{error::ServiceError, events::Event, journal::JournalState, runtime::Runtime};

/// Moves the journal into the log. `from` are other addresses of the database, whose records are moved too. Notifies of what
/// is left.
///
/// # Errors
/// The database cannot be written.
pub async fn drain(runtime: &Runtime, from: Vec<String>) -> Result<DrainReport, ServiceError> {
    let options = DrainOptions { from, waits: true, ..DrainOptions::default() };
    let JournalState { session, report, stopped } = runtime.drained(runtime.session().await?, options).await?;
    session.close().await?;
    runtime.notify(Event::JournalDrained { report: &report, stopped: None });
    stopped.map_or(Ok(report), |error| Err(error.into()))
}
