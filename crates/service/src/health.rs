//! Checks of the database that change nothing in it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mer_core::{Access, Status};
use mer_dal::{AccessFilter, AccessPages, Database, DbUrl, Session, Settings};
use mer_migrations::{MigrationError, StepStatus};

use crate::{error::ServiceError, runtime::Runtime};

/// Maximum number of accesses that are read to find lost runs.
const MAX_ACCESSES: usize = 10_000;
/// Number of accesses that are read at once.
const PAGE: usize = 500;

/// The state of the schema.
#[derive(Debug)]
#[non_exhaustive]
pub enum SchemaState {
    /// The database is created by the first operation that needs it.
    NotCreated,
    /// It is the one of this version, with this script as the last one.
    Current {
        /// The number of the script.
        script: u32,
    },
    /// Scripts are not applied yet. An embedded database gets them with the next operation.
    Pending {
        /// Number of scripts.
        count: usize,
    },
    /// It is not one that this version can use or migrate.
    Different {
        /// The difference.
        error: MigrationError,
    },
}

/// Runs whose end was not recorded.
#[derive(Debug, Default)]
pub struct LostRuns {
    /// Their number.
    pub count: usize,
    /// The newest of them.
    pub newest: Option<Access>,
}

/// Returns the state of the schema. The wait for the database is unreported.
///
/// # Errors
/// The database cannot be read.
pub async fn schema_state(runtime: &Runtime) -> Result<SchemaState, ServiceError> {
    read_schema_state(runtime.database()).await
}

/// As [`schema_state`], within a bound; `None` if it ran out.
pub async fn schema_state_within(runtime: &Runtime, bound: Duration) -> Option<Result<SchemaState, ServiceError>> {
    let settings = runtime.database().settings();
    let database = Database::new(Settings { wait: settings.wait.min(bound), ..settings.clone() });
    tokio::time::timeout(bound, read_schema_state(&database)).await.ok()
}

async fn read_schema_state(database: &Database) -> Result<SchemaState, ServiceError> {
    if let DbUrl::Embedded(folder) = &database.settings().url
        && !folder.exists()
    {
        return Ok(SchemaState::NotCreated);
    }
    let session = database.session().await?;
    let plan = mer_migrations::status(&session).await;
    session.close().await?;
    let plan = plan?;
    if let Err(error) = plan.check() {
        return Ok(SchemaState::Different { error });
    }
    Ok(match plan.steps.iter().filter(|step| step.status == StepStatus::Pending).count() {
        0 => SchemaState::Current { script: plan.steps.last().map_or(0, |step| step.number) },
        count => SchemaState::Pending { count },
    })
}

/// Returns the lost runs of this last period.
///
/// # Errors
/// The database cannot be read.
pub async fn lost_runs(session: &Session, period: SignedDuration) -> Result<LostRuns, ServiceError> {
    let since = Timestamp::now().checked_sub(period).ok();
    let mut pages = AccessPages::new(AccessFilter { limit: MAX_ACCESSES, since, ..AccessFilter::default() });
    let mut lost = LostRuns::default();
    while !pages.is_over() {
        for access in pages.next(session, PAGE).await? {
            if access.status == Status::Lost {
                lost.count += 1;
                lost.newest.get_or_insert(access);
            }
        }
    }
    Ok(lost)
}
