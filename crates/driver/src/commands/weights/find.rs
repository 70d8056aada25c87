//! The version that a word means.

use mer_core::{FailureKind, Model, NameError, Selector, WeightsVersion, Which, check_name};
use mer_dal::{DalError, Store};

use crate::{app::App, commands::change::in_session, errors::CliError};

/// The model of this name.
pub(super) async fn model(store: &Store, name: &str) -> Result<Model, CliError> {
    if let Some(model) = store.model(name).await? {
        return Ok(model);
    }
    let known = store.models().await?;
    Err(CliError::not_found("model", name, known.iter().map(|model| model.name.as_str())))
}

/// That an alias may have this name: one that is there already keeps it, whatever names may be now.
pub(super) async fn check_alias(store: &Store, model: &Model, alias: &str) -> Result<(), CliError> {
    match check_name(alias) {
        Err(error) if store.alias_moves(model, Some(alias)).await?.is_empty() => Err(no_alias(alias, error)),
        _ => Ok(()),
    }
}

/// That no alias can have this name.
pub(super) fn no_alias(alias: &str, error: NameError) -> CliError {
    // A long one is told by the cause.
    let shown = match error {
        NameError::Long { .. } => "that".to_owned(),
        _ => format!("`{alias}`"),
    };
    CliError::usage(format!("{shown} is no name for an alias")).caused_by(error)
}

/// The version that is meant, and the aliases that mean it too.
pub(in crate::commands) async fn version(
    app: &App,
    selector: &Selector,
) -> Result<(WeightsVersion, Vec<String>), CliError> {
    in_session(app, async |store| {
        let model = model(store, &selector.model).await?;
        let version = named(store, &model, &selector.which).await?;
        let aliases = store.named_versions(std::slice::from_ref(&model)).await?;
        let mine = aliases.into_iter().filter(|(_, meant)| meant.version == version.version);
        let names = mine.map(|(alias, _)| alias.name).collect();
        Ok((version, names))
    })
    .await
}

/// The version of a model that is meant.
pub(super) async fn named(store: &Store, model: &Model, which: &Which) -> Result<WeightsVersion, CliError> {
    let name = &model.name;
    match store.resolve(model, which).await {
        Ok(Some(version)) => Ok(version),
        Ok(None) => {
            let told = CliError::new(FailureKind::NotFound, format!("`{name}` has no current weights"));
            Err(match store.versions(model).await?.first() {
                Some(newest) => {
                    told.hint(format!("the newest are `{newest}`; `mer weights alias {newest} current` makes them so"))
                }
                None => told.hint(format!("it has none at all: `mer weights put {name} FILE`")),
            })
        }
        Err(error @ DalError::NoVersion { .. }) => {
            let wanted = if let Which::Version(number) = which { *number } else { 0 };
            let versions = store.versions(model).await?;
            let nearest = versions.iter().min_by_key(|known| known.version.abs_diff(wanted));
            let told = CliError::of(FailureKind::NotFound, error);
            Err(match nearest {
                Some(nearest) => told.hint(format!("the nearest is `{nearest}`")),
                None => told.hint("it has no weights at all"),
            })
        }
        Err(error @ DalError::NoAlias { .. }) => {
            let known = store.named_versions(std::slice::from_ref(model)).await?;
            let names: Vec<&str> = known.iter().map(|(alias, _)| alias.name.as_str()).collect();
            let told = CliError::of(FailureKind::NotFound, error);
            Err(match which.alias() {
                Some(wrong) => told.did_you_mean(wrong, names),
                None => told,
            }
            .hint(format!("`mer weights list {name}` shows what there is")))
        }
        Err(error) => Err(error.into()),
    }
}
