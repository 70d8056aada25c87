//! Aliases: names that mean one version of a model, and another one later.

use mer_core::{AliasMove, Model, Selector, Which, check_known_name};
use mer_dal::Store;

use super::resolve::{check_alias, model, named, no_alias};
use crate::{error::ServiceError, runtime::Runtime};

/// Makes an alias mean the version of the selector. Returns the move that is on record.
///
/// # Errors
/// There is no such model or version, no alias can have this name, or the database cannot be written.
pub async fn move_alias(
    runtime: &Runtime,
    selector: &Selector,
    alias: &str,
) -> Result<Option<AliasMove>, ServiceError> {
    check_known_name(alias).map_err(|error| no_alias(alias, error))?;
    runtime
        .in_session(async |store| {
            let model = model(store, &selector.model).await?;
            check_alias(store, &model, alias).await?;
            let version = named(store, &model, &selector.which).await?.version;
            record(runtime, store, &model, alias, Some(version)).await
        })
        .await
}

/// Removes an alias. Returns the move that is on record.
///
/// # Errors
/// There is no such model or alias, or the database cannot be written.
pub async fn remove_alias(runtime: &Runtime, of: &str, alias: &str) -> Result<Option<AliasMove>, ServiceError> {
    check_known_name(alias).map_err(|error| no_alias(alias, error))?;
    runtime
        .in_session(async |store| {
            let model = model(store, of).await?;
            named(store, &model, &Which::Alias(alias.to_owned())).await?;
            record(runtime, store, &model, alias, None).await
        })
        .await
}

async fn record(
    runtime: &Runtime,
    store: &Store,
    model: &Model,
    alias: &str,
    version: Option<u64>,
) -> Result<Option<AliasMove>, ServiceError> {
    store.move_alias(model, alias, version, &runtime.caller().name, None).await?;
    // The last one by its number: clocks are set.
    Ok(store.alias_moves(model, Some(alias)).await?.into_iter().max_by_key(|moved| moved.number))
}

/// Returns which version an alias meant since when: of one alias, or of all that the model ever had.
///
/// # Errors
/// There is no such model, it never had this alias, or the database cannot be read.
pub async fn alias_history(runtime: &Runtime, of: &str, alias: Option<&str>) -> Result<Vec<AliasMove>, ServiceError> {
    runtime
        .in_session(async |store| {
            let model = model(store, of).await?;
            let moves = store.alias_moves(&model, alias).await?;
            if let Some(alias) = alias.filter(|_| moves.is_empty()) {
                // Fails, with the names that are similar.
                named(store, &model, &Which::Alias(alias.to_owned())).await?;
            }
            Ok(moves)
        })
        .await
}
