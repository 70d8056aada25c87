//! Which version a name means.

use mer_core::{CURRENT_ALIAS, Model, NameError, Selector, WeightsVersion, Which, check_name};
use mer_dal::{DalError, Store};

use crate::{
    error::{ServiceError, similar},
    runtime::Runtime,
    view::View,
};

/// A version, and the aliases that mean it.
#[derive(Debug, Clone)]
pub struct NamedVersion {
    /// The version.
    pub version: WeightsVersion,
    /// Its aliases.
    pub aliases: Vec<String>,
}

/// Returns the version that a selector means; nothing where it names the model only, and the model has no current weights.
///
/// The view has the versions that aliases mean, and the newest ones. The database is opened for other versions only, and for
/// the names that are similar to an unknown one.
///
/// # Errors
/// There is no such model or version, or the database cannot be read.
pub async fn resolve(
    runtime: &Runtime,
    view: &View,
    selector: &Selector,
) -> Result<Option<WeightsVersion>, ServiceError> {
    let known = match &selector.which {
        Which::Version(number) => view.version(&selector.model, *number),
        which => which.alias().and_then(|name| view.alias(&selector.model, name)),
    };
    match known {
        Some(version) => Ok(Some(version.clone())),
        None if selector.which == Which::Current => Ok(None),
        None => version(runtime, selector).await.map(|named| Some(named.version)),
    }
}

/// Returns the current weights of a model, where it has any.
#[must_use]
pub fn current(view: &View, model: &str) -> Option<WeightsVersion> {
    view.alias(model, CURRENT_ALIAS).cloned()
}

/// Returns the version that a selector means, and all aliases that mean it.
///
/// # Errors
/// There is no such model or version, or the database cannot be read.
pub async fn version(runtime: &Runtime, selector: &Selector) -> Result<NamedVersion, ServiceError> {
    runtime
        .in_session(async |store| {
            let model = model(store, &selector.model).await?;
            let version = named(store, &model, &selector.which).await?;
            let aliases = store.named_versions(std::slice::from_ref(&model)).await?;
            let mine = aliases.into_iter().filter(|(_, meant)| meant.version == version.version);
            let aliases = mine.map(|(alias, _)| alias.name).collect();
            Ok(NamedVersion { version, aliases })
        })
        .await
}

/// Returns the model of this name.
pub(super) async fn model(store: &Store, name: &str) -> Result<Model, ServiceError> {
    if let Some(model) = store.model(name).await? {
        return Ok(model);
    }
    let known = store.models().await?;
    Err(ServiceError::unknown_object("model", name, known.iter().map(|model| model.name.as_str())))
}

/// Checks that an alias may have this name. One that exists keeps it, whatever the rule for names is now.
pub(super) async fn check_alias(store: &Store, model: &Model, alias: &str) -> Result<(), ServiceError> {
    match check_name(alias) {
        Err(error) if store.alias_moves(model, Some(alias)).await?.is_empty() => Err(no_alias(alias, error)),
        _ => Ok(()),
    }
}

/// The error that no alias can have this name.
pub(super) fn no_alias(alias: &str, source: NameError) -> ServiceError {
    ServiceError::AliasName { alias: alias.to_owned(), source }
}

/// Returns the version of a model that is meant.
pub(super) async fn named(store: &Store, model: &Model, which: &Which) -> Result<WeightsVersion, ServiceError> {
    match store.resolve(model, which).await {
        Ok(Some(version)) => Ok(version),
        Ok(None) => {
            let newest = store.versions(model).await?.first().map(ToString::to_string);
            Err(ServiceError::NoCurrentWeights { model: model.name.clone(), newest })
        }
        Err(reason @ DalError::NoVersion { .. }) => {
            let wanted = if let Which::Version(number) = which { *number } else { 0 };
            let versions = store.versions(model).await?;
            let nearest = versions.iter().min_by_key(|known| known.version.abs_diff(wanted));
            Err(ServiceError::UnknownVersion { reason: Box::new(reason), nearest: nearest.map(ToString::to_string) })
        }
        Err(reason @ DalError::NoAlias { .. }) => {
            let known = store.named_versions(std::slice::from_ref(model)).await?;
            let names = known.iter().map(|(alias, _)| alias.name.as_str());
            let near = which.alias().map(|wrong| similar(wrong, names)).unwrap_or_default();
            Err(ServiceError::UnknownAlias { reason: Box::new(reason), model: model.name.clone(), near })
        }
        Err(error) => Err(error.into()),
    }
}
