//! Migrations of the database, as the user of migrations.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use mer_dal::{DalError, DrainOptions, DrainReport};
use mer_migrations::{MigrationError, Plan, Report, Scripts};
use uuid::Uuid;

use crate::{
    error::ServiceError,
    events::{Activity, Event},
    journal::JournalState,
    runtime::Runtime,
};

/// Bound on one attempt to reach the database.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// Returns the scripts of this version, with those of an own folder.
///
/// # Errors
/// The folder cannot be read, or has scripts that cannot be.
pub fn scripts(runtime: &Runtime, folder: Option<&Path>) -> Result<Scripts, MigrationError> {
    let dialect = runtime.database().settings().url.dialect();
    let embedded = Scripts::embedded(dialect);
    match folder {
        Some(folder) => embedded.with_folder(folder, dialect),
        None => Ok(embedded),
    }
}

/// Compares the database with the scripts. Takes no lock, and does not make a database that is not there.
///
/// # Errors
/// The database cannot be read.
pub async fn plan(runtime: &Runtime, scripts: &Scripts) -> Result<Plan, ServiceError> {
    if !runtime.database().is_there() {
        return Ok(mer_migrations::plan(&[], scripts));
    }
    let session = runtime.migrations_session().await?;
    let plan = mer_migrations::status_of(&session, scripts).await;
    session.close().await?;
    Ok(plan?)
}

/// Records all scripts up to a number as applied, without applying them.
///
/// # Errors
/// The database has been migrated already, or cannot be written.
pub async fn baseline(runtime: &Runtime, scripts: &Scripts, number: u32) -> Result<Report, ServiceError> {
    let session = runtime.migrations_session().await?;
    let report = mer_migrations::baseline(&session, scripts, number).await;
    session.close().await?;
    Ok(report?)
}

/// Accepts the scripts at hand in place of those that were applied and differ by the plan.
///
/// # Errors
/// The database is not as it was planned, or cannot be written.
pub async fn repair(runtime: &Runtime, scripts: &Scripts, plan: &Plan) -> Result<Report, ServiceError> {
    let session = runtime.migrations_session().await?;
    let report = mer_migrations::repair(&session, scripts, plan).await;
    session.close().await?;
    Ok(report?)
}

/// Returns the uid of the database.
///
/// # Errors
/// The database cannot be read.
pub async fn database_uid(runtime: &Runtime) -> Result<Uuid, ServiceError> {
    let session = runtime.migrations_session().await?;
    let uid = session.database_uid().await;
    session.close().await?;
    Ok(uid?)
}

/// Gives a copy of a database a uid of its own, and returns it. What was surely run against the copy itself is drained into
/// it first.
///
/// # Errors
/// The database cannot be written.
pub async fn adopt(runtime: &Runtime) -> Result<Uuid, ServiceError> {
    let options = DrainOptions { only_from_here: true, ..DrainOptions::default() };
    let JournalState { session, report, stopped } =
        runtime.drained(runtime.migrations_session().await?, options).await?;
    let report = DrainReport { elsewhere: Vec::new(), ..report };
    runtime.notify(Event::JournalDrained { report: &report, stopped: stopped.as_ref() });
    let uid = session.new_uid().await;
    session.close().await?;
    Ok(uid?)
}

/// Waits until the database answers, whatever its schema is; at most for this long. Returns how long it took. An embedded
/// database that was never used is not waited for: its first user makes it.
///
/// # Errors
/// [`ServiceError::NoAnswer`], or the database cannot be reached for a reason that does not go away.
pub async fn wait(runtime: &Runtime, bound: Option<Duration>) -> Result<Duration, ServiceError> {
    let began = Instant::now();
    let _activity = runtime.begin(Activity::Database);
    let left = || bound.map(|bound| bound.saturating_sub(began.elapsed()));
    while runtime.database().is_there() {
        let error = match runtime.migrations_session_within(left().unwrap_or(ATTEMPT).min(ATTEMPT)).await {
            Ok(session) => {
                session.close().await?;
                break;
            }
            Err(error) => error,
        };
        if !may_pass(&error) {
            return Err(error.into());
        }
        if let Some(bound) = bound
            && bound.saturating_sub(began.elapsed()) <= PAUSE
        {
            let database = runtime.database().settings().url.to_string();
            return Err(ServiceError::NoAnswer { database, bound, source: Box::new(error) });
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(began.elapsed())
}

/// Whether the database may answer a moment later.
const fn may_pass(error: &DalError) -> bool {
    matches!(
        error,
        DalError::Unreachable { .. }
            | DalError::Lost { .. }
            | DalError::Late { .. }
            | DalError::NotReady { .. }
            | DalError::Short { .. }
            | DalError::Busy { .. }
    )
}
