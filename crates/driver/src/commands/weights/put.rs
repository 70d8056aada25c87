//! `mer weights put`.

use std::path::Path;

use mer_service::{
    ServiceError,
    weights::{self, NewWeights},
};
use mer_weights::Given;

use super::version_view::VersionView;
use crate::{
    app::App,
    cli::{CommandLine, Input, Shape, WeightsPutArgs},
    errors::CliError,
    io::{Origin, source},
    ui::{Format, Ui},
};

/// Makes a file the next version of a model's weights.
pub(super) async fn put(
    app: &App,
    args: &WeightsPutArgs,
    ui: Ui,
    command_line: &CommandLine,
    origin: Origin,
) -> Result<(), CliError> {
    if !args.aliases.is_empty() {
        app.check_changes_allowed(command_line)?;
    }
    let prepared = weights::prepare_put(&app.runtime, new_weights(args)).await?;
    let input = if args.file == Path::new("-") { Input::Stdin } else { Input::File(args.file.clone()) };
    let done = prepared.put(&app.runtime, source(input, origin).await?).await.map_err(|error| failure(error, args))?;
    let view = VersionView::new(done.named);
    if ui.format() == Format::Json {
        return ui.json(&view.with(done.inspected.tensors, done.inspected.statistics));
    }
    view.sentences("put").for_each(|sentence| ui.note(&sentence));
    Ok(())
}

fn new_weights(args: &WeightsPutArgs) -> NewWeights {
    NewWeights {
        model: args.model.clone(),
        file: args.file.clone(),
        format: args.format,
        given: Given { dtype: args.dtype, shape: args.shape.clone().map(|Shape(lengths)| lengths) },
        finite: args.finite,
        parent: args.parent,
        note: args.note.clone(),
        aliases: args.aliases.clone(),
    }
}

/// What is wrong with the bytes is said with the name of their file.
fn failure(error: ServiceError, args: &WeightsPutArgs) -> CliError {
    let is_input =
        matches!(error, ServiceError::Weights(_) | ServiceError::NotFinite { .. } | ServiceError::EmptyWeights);
    let error = CliError::from(error);
    if is_input { error.about(&name(args)) } else { error }
}

fn name(args: &WeightsPutArgs) -> String {
    if args.file == Path::new("-") { "standard input".to_owned() } else { format!("`{}`", args.file.display()) }
}
