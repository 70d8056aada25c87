//! Applies scripts.

use mer_dal::{Applied, DalError, MigrationLock, ScriptRun, Store};

use crate::{MigrationError, Plan, Script, Scripts, plan};

/// Version of MER that is written into the rows of applied scripts.
const MER_VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a command may do to a database with pending scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Apply them: for an embedded database.
    Migrate,
    /// Refuse the database: for one on a server.
    Check,
}

/// Result of applying scripts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// Rows that were written, in the order of their numbers.
    pub applied: Vec<Applied>,
}

/// Compares a database with the scripts of the binary. Writes nothing and takes no lock.
///
/// # Errors
/// [`MigrationError::Database`].
pub async fn status(store: &Store) -> Result<Plan, MigrationError> {
    status_of(store, &Scripts::embedded(store.dialect())).await
}

/// Compares a database with these scripts, like [`status`].
///
/// # Errors
/// As [`status`].
pub async fn status_of(store: &Store, scripts: &Scripts) -> Result<Plan, MigrationError> {
    Ok(plan(&store.applied().await?.unwrap_or_default(), scripts))
}

/// Applies the pending scripts of the binary.
///
/// # Errors
/// Those of [`Plan::check`], before anything is written; [`MigrationError::Database`] with
/// [`mer_dal::DalError::Script`] for a script that fails: those before it stay applied, of it nothing is kept.
pub async fn up(store: &Store) -> Result<Report, MigrationError> {
    up_to(store, &Scripts::embedded(store.dialect()), None).await
}

/// Applies the pending ones of these scripts, up to the number `target` if it is given.
///
/// # Errors
/// As [`up`]; [`MigrationError::NoScript`] where no script has that number.
pub async fn up_to(store: &Store, scripts: &Scripts, target: Option<u32>) -> Result<Report, MigrationError> {
    let mut report = Report::default();
    up_telling(store, scripts, target, &mut report).await.map(|()| report)
}

/// Applies scripts like [`up_to`]; if a script fails, `report` still has the ones applied before it.
///
/// # Errors
/// As [`up_to`].
pub async fn up_telling(
    store: &Store,
    scripts: &Scripts,
    target: Option<u32>,
    report: &mut Report,
) -> Result<(), MigrationError> {
    target.map_or(Ok(()), |number| scripts.get(number).map(drop))?;
    store.check_encoding().await?;
    let mut lock = store.lock_migrations().await?;
    let done = locked(store, scripts, target.unwrap_or(u32::MAX), &mut lock, report).await;
    lock.release().await;
    done
}

/// Applies scripts under the lock. The plan is made under it, because the former holder may have applied everything.
async fn locked(
    store: &Store,
    scripts: &Scripts,
    target: u32,
    lock: &mut MigrationLock,
    report: &mut Report,
) -> Result<(), MigrationError> {
    let plan = plan(&applied_or_made(store).await?, scripts);
    plan.check()?;
    for number in plan.pending().filter(|number| *number <= target) {
        let script = scripts.get(number)?;
        lock.check().await?;
        let applied = store.apply_script_under(lock, &run(script)).await?;
        tracing::info!(number, name = %script.name, ms = applied.duration_ms, "applied a script");
        report.applied.push(applied);
    }
    Ok(())
}

/// Records the scripts up to this number as applied without running any, for a database whose schema was created by
/// other means. Scripts that are recorded already stay as they are.
///
/// # Errors
/// As [`up_to`]; [`MigrationError::Bare`] where nothing is there yet.
pub async fn baseline(store: &Store, scripts: &Scripts, number: u32) -> Result<Report, MigrationError> {
    scripts.get(number)?;
    let mut lock = store.lock_migrations().await?;
    let report = async {
        let plan = status_of(store, scripts).await?;
        plan.check()?;
        // Without the tables of the recorded scripts, the database could be migrated neither forwards nor back.
        let begun = plan.steps.iter().any(|step| !step.own && step.applied.is_some());
        if !begun && matches!(store.database_uid().await, Err(DalError::NoSchema { .. })) {
            return Err(MigrationError::Bare);
        }
        applied_or_made(store).await?;
        let numbers: Vec<u32> = plan.pending().filter(|pending| *pending <= number).collect();
        note(store, scripts, &numbers, &mut lock).await
    };
    let report = report.await;
    lock.release().await;
    report
}

/// Accepts these scripts in place of those that were applied under their numbers. Writes rows of `Migrations` only and
/// runs no script. `shown` is the plan that the user has seen: if the database differs from it, nothing is done.
///
/// # Errors
/// Those of [`Plan::check_age`]; [`MigrationError::Moved`], [`MigrationError::Database`].
pub async fn repair(store: &Store, scripts: &Scripts, shown: &Plan) -> Result<Report, MigrationError> {
    let mut lock = store.lock_migrations().await?;
    let report = async {
        let now = status_of(store, scripts).await?;
        now.check_age()?;
        if now.changed().ne(shown.changed()) {
            return Err(MigrationError::Moved);
        }
        let numbers: Vec<u32> = now.changed().map(|step| step.number).collect();
        note(store, scripts, &numbers, &mut lock).await
    };
    let report = report.await;
    lock.release().await;
    report
}

async fn note(
    store: &Store,
    scripts: &Scripts,
    numbers: &[u32],
    lock: &mut MigrationLock,
) -> Result<Report, MigrationError> {
    let mut report = Report::default();
    for number in numbers {
        lock.check().await?;
        report.applied.push(store.note_script(&run(scripts.get(*number)?)).await?);
    }
    Ok(report)
}

async fn applied_or_made(store: &Store) -> Result<Vec<Applied>, MigrationError> {
    match store.applied().await? {
        Some(applied) => Ok(applied),
        None => {
            store.create_migrations().await?;
            Ok(Vec::new())
        }
    }
}

/// Makes sure that the database has all scripts of this binary; one query if it has.
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
        own: script.own,
    }
}
