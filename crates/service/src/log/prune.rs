//! Deletes old accesses, as the user of migrations.

use mer_dal::{PruneRange, Pruned};

use crate::{error::ServiceError, runtime::Runtime, small_pages::SmallPages};

/// Deletes old accesses that are over; with `dry_run` it only counts them. `progress` learns what is deleted so far.
///
/// # Errors
/// The database cannot be read or written, or the user may not delete accesses.
pub async fn prune(
    runtime: &Runtime,
    range: PruneRange,
    dry_run: bool,
    progress: impl FnMut(&Pruned),
) -> Result<Pruned, ServiceError> {
    let _small = SmallPages::only();
    let database = runtime.migrations_database(runtime.database().settings().wait);
    // The schema is that of this version.
    runtime.checked(database.session().await?, false).await?.0.close().await?;
    Ok(mer_dal::prune(&database, range, dry_run, progress).await?)
}
