//! `mer weights alias`.

use mer_core::Which;
use mer_service::weights;

use super::version_view::Move;
use crate::{
    app::App,
    cli::{CommandLine, WeightsAliasArgs},
    errors::CliError,
    ui::{Format, Ui},
};

/// Moves or removes an alias, or prints its history.
pub(super) async fn alias(
    app: &App,
    args: &WeightsAliasArgs,
    ui: Ui,
    command_line: &CommandLine,
) -> Result<(), CliError> {
    let selector = &args.selector;
    let names_model_only = selector.which == Which::Current;
    let Some(alias) = args.alias.as_deref().filter(|_| args.remove || !names_model_only) else {
        return history(app, args, ui).await;
    };
    if args.remove && !names_model_only {
        return Err(CliError::usage(format!("an alias is taken away from the model, not from `{selector}`"))
            .hint(format!("`mer weights alias {} {alias} --remove`", selector.model)));
    }
    app.check_changes_allowed(command_line)?;
    let moved = if args.remove {
        weights::remove_alias(&app.runtime, &selector.model, alias).await?
    } else {
        weights::move_alias(&app.runtime, selector, alias).await?
    };
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

/// Prints which version an alias meant at which time: of one alias, or of all that the model ever had.
async fn history(app: &App, args: &WeightsAliasArgs, ui: Ui) -> Result<(), CliError> {
    let named = match &args.selector.which {
        Which::Alias(name) => Some(name.as_str()),
        Which::Current | Which::Version(_) => args.alias.as_deref(),
    };
    let moves = weights::alias_history(&app.runtime, &args.selector.model, named).await?;
    ui.list(&moves.into_iter().map(Move).collect::<Vec<_>>())
}
