//! Removes versions, and bytes that no version has.

use std::time::Duration;

use mer_core::Which;
use mer_dal::Collected;

use super::resolve::{model, named};
use crate::{error::ServiceError, runtime::Runtime, train};

/// Removes a version. The journal is drained first, as it may mention the version. `force` removes one that is in use.
///
/// # Errors
/// There is no such model or version, it is in use, or the database cannot be written.
pub async fn remove(runtime: &Runtime, of: &str, version: u64, force: bool) -> Result<(), ServiceError> {
    let (session, _) = runtime.session().await?.drain().await?;
    session.close().await?;
    runtime
        .in_session(async |store| {
            let model = model(store, of).await?;
            named(store, &model, &Which::Version(version)).await?;
            Ok(store.remove_version(&model, version, force, &runtime.caller().name).await?)
        })
        .await
}

/// Removes bytes that no version has, of uploads that were silent for this long, and folders of trainings whose process is
/// gone.
///
/// # Errors
/// The database cannot be written.
pub async fn collect_garbage(runtime: &Runtime, silent: Duration) -> Result<Collected, ServiceError> {
    // The schema must be there.
    runtime.session().await?.close().await?;
    train::remove_abandoned(&runtime.settings().training_dir);
    Ok(mer_dal::collect_garbage(runtime.database(), silent).await?)
}
