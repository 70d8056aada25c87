//! Lists versions.

use super::resolve::{NamedVersion, model};
use crate::{error::ServiceError, runtime::Runtime};

/// Lists the versions of one model or of all.
///
/// # Errors
/// There is no such model, or the database cannot be read.
pub async fn list(runtime: &Runtime, of: Option<&str>) -> Result<Vec<NamedVersion>, ServiceError> {
    runtime
        .in_session(async |store| {
            let models = match of {
                Some(name) => vec![model(store, name).await?],
                None => store.models().await?,
            };
            let named = store.named_versions(&models).await?;
            let mut versions = Vec::new();
            for model in &models {
                for version in store.versions(model).await? {
                    let mine =
                        named.iter().filter(|(alias, _)| alias.model == model.name && alias.version == version.version);
                    let aliases = mine.map(|(alias, _)| alias.name.clone()).collect();
                    versions.push(NamedVersion { version, aliases });
                }
            }
            Ok(versions)
        })
        .await
}
