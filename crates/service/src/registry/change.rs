//! Changes of the registry, each in one transaction.

use std::path::Path;

use mer_core::{LOCAL_SERVER, Registry, UnmetNeed};

use super::{
    diff::{Difference, differences},
    paths::settle,
};
use crate::{
    error::ServiceError,
    registry_file::{RegistryFile, carriage_return},
    runtime::Runtime,
};

/// What applying a registry file does.
#[derive(Debug)]
pub struct Plan {
    known: Registry,
    wanted: Registry,
    /// The objects of the file, and in which keys each of them differs.
    pub differences: Vec<Difference>,
}

/// Returns the registry, also that of a database which a newer MER has migrated.
///
/// # Errors
/// The database cannot be read.
pub async fn read(runtime: &Runtime) -> Result<Registry, ServiceError> {
    let session = runtime.session_of_any_age().await?;
    let registry = session.registry().await;
    session.close().await?;
    Ok(registry?)
}

/// Changes objects. `make` gets the registry, and returns the objects that are to be there in place of those of the same
/// name. Relative paths begin in `folder`.
///
/// # Errors
/// [`ServiceError::Registration`], what `make` says, or the database cannot be written.
pub async fn change<E: From<ServiceError>>(
    runtime: &Runtime,
    folder: &Path,
    make: impl FnOnce(&Registry) -> Result<Registry, E>,
) -> Result<Vec<Difference>, E> {
    runtime
        .in_session(async |store| {
            let known = store.registry().await.map_err(ServiceError::from)?;
            let mut wanted = make(&known)?;
            settle(&mut wanted, &known, Some(&known), folder)?;
            check(&known, &wanted)?;
            store.apply_over(&known, &wanted).await.map_err(ServiceError::from)?;
            Ok(differences(&known, &wanted))
        })
        .await
}

/// Compares a registry file with the registry, and applies it in the same transaction if `apply_now`. Relative paths begin
/// in `folder`.
///
/// # Errors
/// The file cannot be applied, or the database cannot be read or written.
pub async fn plan(
    runtime: &Runtime,
    file: &RegistryFile,
    folder: &Path,
    apply_now: bool,
) -> Result<Plan, ServiceError> {
    runtime
        .in_session(async |store| {
            let known = store.registry().await?;
            file.check(&known)?;
            warn_of_unmet_needs(&known, &file.registry);
            let mut wanted = file.registry.clone();
            settle(&mut wanted, &known, None, folder)?;
            let differences = differences(&known, &wanted);
            if apply_now {
                store.apply_over(&known, &wanted).await?;
            }
            Ok(Plan { known, wanted, differences })
        })
        .await
}

/// Applies what was planned.
///
/// # Errors
/// The registry has changed since the plan was made, or the database cannot be written.
pub async fn apply(runtime: &Runtime, Plan { known, wanted, .. }: &Plan) -> Result<(), ServiceError> {
    runtime.in_session(async |store| Ok(store.apply_over(known, wanted).await?)).await
}

/// Removes a model that has no weights.
///
/// # Errors
/// There is no such model, it has weights, or the database cannot be written.
pub async fn remove_model(runtime: &Runtime, name: &str) -> Result<Difference, ServiceError> {
    runtime
        .in_session(async |store| {
            if store.model(name).await?.is_none() {
                let known = store.registry().await?;
                return Err(ServiceError::unknown_object("model", name, known.models.keys().map(String::as_str)));
            }
            Ok(store.remove_model(name).await?)
        })
        .await?;
    Ok(Difference::removed("model", name))
}

/// Removes a server that no model names.
///
/// # Errors
/// There is no such server, it is this machine, models run on it, or the database cannot be written.
pub async fn remove_server(runtime: &Runtime, name: &str) -> Result<Difference, ServiceError> {
    if name == LOCAL_SERVER {
        return Err(ServiceError::LocalServer);
    }
    runtime
        .in_session(async |store| {
            if store.server(name).await?.is_none() {
                let known = store.registry().await?;
                return Err(ServiceError::unknown_object("server", name, known.servers.keys().map(String::as_str)));
            }
            let models = store.remove_server(name).await?;
            if models.is_empty() { Ok(()) } else { Err(ServiceError::ServerInUse { server: name.to_owned(), models }) }
        })
        .await?;
    Ok(Difference::removed("server", name))
}

/// Checks that a server of this name exists.
///
/// # Errors
/// [`ServiceError::UnknownObject`].
pub fn require_server(known: &Registry, name: &str) -> Result<(), ServiceError> {
    if name == LOCAL_SERVER || known.servers.contains_key(name) {
        return Ok(());
    }
    Err(ServiceError::unknown_object("server", name, known.servers.keys().map(String::as_str)))
}

/// Checks what is to be there, together with what there is.
fn check(known: &Registry, wanted: &Registry) -> Result<(), ServiceError> {
    for odd in wanted.carriage_returns() {
        tracing::warn!("{}", carriage_return(&odd));
    }
    wanted.check(known).map_err(|source| ServiceError::Registration { source })?;
    warn_of_unmet_needs(known, wanted);
    Ok(())
}

/// Warns of models that fail at every run. The needs may be met later, by another change.
fn warn_of_unmet_needs(known: &Registry, wanted: &Registry) {
    for UnmetNeed { model, resource, count } in wanted.unmet_needs(known) {
        tracing::warn!("no server of the model `{model}` has {count} of `{resource}`, so that it cannot run");
    }
}
