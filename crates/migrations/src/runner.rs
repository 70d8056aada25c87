//! Applying scripts.

use mer_dal::{Applied, MigrationLock, ScriptRun, Store};

use crate::{MigrationError, Plan, Script, embedded, plan};

/// The version of MER that is written beside what it applies.
const MER_VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a command may do to a database that is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Bring it up to date: for an embedded database.
    Migrate,
    /// Refuse it: for a server's.
    Check,
}

/// What has been done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// The scripts that were applied now, in their order.
    pub applied: Vec<Applied>,
}

/// Compares a database with the binary. Writes nothing.
///
/// # Errors
/// [`MigrationError::Database`].
pub async fn status(store: &Store) -> Result<Plan, MigrationError> {
    Ok(plan(&store.applied().await?.unwrap_or_default(), embedded(store.dialect())))
}

/// Applies what is missing.
///
/// # Errors
/// Those of [`Plan::check`], before anything is written; [`MigrationError::Database`] with
/// [`mer_dal::DalError::Script`] for a script that fails: those before it stay applied, of it nothing is kept.
pub async fn up(store: &Store) -> Result<Report, MigrationError> {
    up_with(store, embedded(store.dialect())).await
}

pub(crate) async fn up_with(store: &Store, scripts: &[Script]) -> Result<Report, MigrationError> {
    let mut lock = store.lock_migrations().await?;
    let report = locked(store, scripts, &mut lock).await;
    lock.release().await;
    report
}

/// Everything is read under the lock: who waited for it may find that all is done.
async fn locked(store: &Store, scripts: &[Script], lock: &mut MigrationLock) -> Result<Report, MigrationError> {
    let applied = match store.applied().await? {
        Some(applied) => applied,
        None => {
            store.create_migrations().await?;
            Vec::new()
        }
    };
    let plan = plan(&applied, scripts);
    plan.check()?;
    let mut report = Report::default();
    for number in plan.pending() {
        let Some(script) = scripts.iter().find(|script| script.number == number) else { continue };
        lock.check().await?;
        let applied = store.apply_script(&run(script)).await?;
        tracing::info!(number, name = %script.name, ms = applied.duration_ms, "applied a script");
        report.applied.push(applied);
    }
    Ok(report)
}

/// Makes sure that the database is as this binary wants it: one query where it is.
///
/// # Errors
/// [`MigrationError::Pending`] where [`Policy::Check`] forbids to apply what is missing; otherwise as [`up`].
pub async fn ensure_current(store: &Store, policy: Policy) -> Result<Report, MigrationError> {
    let plan = status(store).await?;
    plan.check()?;
    let mut pending = plan.pending();
    match (pending.next(), policy) {
        (None, _) => Ok(Report::default()),
        (Some(_), Policy::Migrate) => up(store).await,
        (Some(first), Policy::Check) => Err(MigrationError::Pending { count: 1 + pending.count(), first }),
    }
}

fn run(script: &Script) -> ScriptRun {
    ScriptRun {
        number: script.number,
        name: script.name.clone(),
        file: script.file.clone(),
        checksum: script.checksum.clone(),
        sql: script.sql.clone(),
        mer_version: MER_VERSION.to_owned(),
    }
}
