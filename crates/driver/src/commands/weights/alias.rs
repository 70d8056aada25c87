//! `mer weights alias`.

use mer_core::{Which, check_known_name};

use super::{find, version_view::Move};
use crate::{
    app::App,
    cli::{Typed, WeightsAliasArgs},
    commands::change::in_session,
    errors::CliError,
    ui::{Format, Ui},
};

/// Moves an alias, takes it away, or shows where it was.
pub(super) async fn alias(app: &App, args: &WeightsAliasArgs, ui: Ui, typed: &Typed) -> Result<(), CliError> {
    let selector = &args.selector;
    let names_model_only = selector.which == Which::Current;
    let Some(alias) = args.alias.as_deref().filter(|_| args.remove || !names_model_only) else {
        return history(app, args, ui).await;
    };
    if args.remove && !names_model_only {
        return Err(CliError::usage(format!("an alias is taken away from the model, not from `{selector}`"))
            .hint(format!("`mer weights alias {} {alias} --remove`", selector.model)));
    }
    app.check_changes_allowed(typed)?;
    check_known_name(alias).map_err(|error| find::no_alias(alias, error))?;
    let caller = app.runtime.caller().name.clone();
    let moved = in_session(app, async |store| {
        let model = find::model(store, &selector.model).await?;
        let version = if args.remove {
            find::named(store, &model, &Which::Alias(alias.to_owned())).await?;
            None
        } else {
            find::check_alias(store, &model, alias).await?;
            Some(find::named(store, &model, &selector.which).await?.version)
        };
        store.move_alias(&model, alias, version, &caller, None).await?;
        // The last one by its number: clocks are set.
        Ok(store.alias_moves(&model, Some(alias)).await?.into_iter().max_by_key(|moved| moved.number))
    })
    .await?;
    let Some(moved) = moved else { return Ok(()) };
    if ui.format() == Format::Json {
        return ui.json(&Move(moved));
    }
    let model = &selector.model;
    ui.note(&match moved.version {
        Some(version) => format!("`{model}@{alias}` is `{model}:{version}` now"),
        None => format!("`{model}` has no alias `{alias}` any more"),
    });
    Ok(())
}

/// Which version an alias meant at which time: of one alias, or of all that the model ever had.
async fn history(app: &App, args: &WeightsAliasArgs, ui: Ui) -> Result<(), CliError> {
    let named = match &args.selector.which {
        Which::Alias(name) => Some(name.as_str()),
        Which::Current | Which::Version(_) => args.alias.as_deref(),
    };
    let moves = in_session(app, async |store| {
        let model = find::model(store, &args.selector.model).await?;
        let moves = store.alias_moves(&model, named).await?;
        if let Some(alias) = named.filter(|_| moves.is_empty()) {
            // One that never was: what is like it is told.
            find::named(store, &model, &Which::Alias(alias.to_owned())).await?;
        }
        Ok(moves)
    })
    .await?;
    ui.list(&moves.into_iter().map(Move).collect::<Vec<_>>())
}
