//! `mer weights put`.

use std::path::Path;

use mer_core::{FailureKind, WeightsFormat, Which, check_known_name};
use mer_dal::{NewVersion, Upload};
use mer_weights::{Given, Inspected};

use super::{find, intake::Intake, version_view::Told};
use crate::{
    app::App,
    cli::{Input, Shape, Typed, WeightsPutArgs},
    commands::change::in_session,
    errors::CliError,
    io::{Origin, source},
    ui::{Format, Ui},
};

/// Makes a file the next version of a model's weights.
pub(super) async fn put(
    app: &App,
    args: &WeightsPutArgs,
    ui: Ui,
    typed: &Typed,
    origin: Origin,
) -> Result<(), CliError> {
    if !args.aliases.is_empty() {
        app.check_changes_allowed(typed)?;
    }
    for alias in &args.aliases {
        check_known_name(alias).map_err(|error| find::no_alias(alias, error))?;
    }
    let model = in_session(app, async |store| {
        let model = find::model(store, &args.model).await?;
        if let Some(parent) = args.parent {
            find::named(store, &model, &Which::Version(parent)).await?;
        }
        for alias in &args.aliases {
            find::check_alias(store, &model, alias).await?;
        }
        Ok(model)
    })
    .await?;
    let input = if args.file == Path::new("-") { Input::Stdin } else { Input::File(args.file.clone()) };
    let source = source(input, origin).await?;
    let mut upload = Upload::new(app.runtime.database(), &model);
    let (format, inspected) = match intake(args).send(source, &mut upload).await {
        Ok(done) => done,
        Err(error) => {
            // Why it failed matters more; what is left of it is cleared away later.
            let _ = upload.abort().await;
            return Err(if error.kind() == FailureKind::Input { error.about(&name(args)) } else { error });
        }
    };
    if upload.bytes() == 0 && args.format.is_none() {
        upload.abort().await?;
        return Err(CliError::input("the file is empty; nothing was stored")
            .about(&name(args))
            .hint("`--format raw` puts weights of no bytes all the same"));
    }
    let new = new_version(app, args, format, &inspected);
    let version = upload.finish(&new).await?;
    let told = Told::new(version, new.aliases);
    if ui.format() == Format::Json {
        return ui.json(&told.with(inspected.tensors, inspected.statistics));
    }
    told.sentences("put").for_each(|sentence| ui.note(&sentence));
    Ok(())
}

/// What is put, as it is called in a message.
fn name(args: &WeightsPutArgs) -> String {
    if args.file == Path::new("-") { "standard input".to_owned() } else { format!("`{}`", args.file.display()) }
}

fn intake(args: &WeightsPutArgs) -> Intake {
    let shape = args.shape.clone().map(|Shape(lengths)| lengths);
    let given = Given { dtype: args.dtype, shape };
    Intake { format: args.format, file: args.file.clone(), given, finite: args.finite }
}

fn new_version(app: &App, args: &WeightsPutArgs, format: WeightsFormat, inspected: &Inspected) -> NewVersion {
    let mut aliases = args.aliases.clone();
    // Whoever says one twice means it once.
    aliases.sort();
    aliases.dedup();
    NewVersion {
        format,
        dtype: inspected.dtype,
        shape: inspected.shape.clone(),
        parent: args.parent,
        access: None,
        note: args.note.clone(),
        aliases,
        caller: app.runtime.caller().name.clone(),
    }
}
