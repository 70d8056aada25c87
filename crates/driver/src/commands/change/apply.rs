//! `mer apply`.

use std::path::Path;

use super::{Difference, differences, here, in_session, paths::settle};
use crate::{
    app::App,
    cli::{ApplyArgs, Input, Typed},
    errors::CliError,
    io::{Origin, opened, source, whole_text},
    registry_file,
    ui::{Format, Ui, counted},
};

/// Adds and replaces what a registry file names, in one transaction, and shows what that changes.
pub(in crate::commands) async fn apply(
    app: &App,
    args: &ApplyArgs,
    ui: Ui,
    typed: &Typed,
    origin: Origin,
) -> Result<(), CliError> {
    if !args.dry_run {
        app.check_changes_allowed(typed)?;
    }
    let (name, text) = {
        let _told = app.telling(|| format!("waiting for the input `{}` (Ctrl-C ends the wait)", args.file.display()));
        read(&args.file, origin).await?
    };
    let file = registry_file::read(Path::new(&name), &text)?;
    file.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
    // Relative paths begin in the file's folder; those of standard input in this one.
    let folder = here().join(Path::new(&args.file).parent().unwrap_or(Path::new("")));
    let ask = !args.yes && !args.dry_run && !app.settings.no_input && !typed.no_input && ui.can_ask();
    // Nothing is shown and nobody is asked while the database is open: a slow reader would keep everybody else out.
    let (known, wanted, changes) = in_session(app, async |store| {
        let known = store.registry().await?;
        file.check(&known)?;
        let mut wanted = file.registry.clone();
        settle(&mut wanted, &known, None, &folder)?;
        let changes = differences(&known, &wanted);
        if !ask && !args.dry_run {
            store.apply_over(&known, &wanted).await?;
        }
        Ok((known, wanted, changes))
    })
    .await?;
    show(&changes, ui)?;
    if !changes.iter().any(Difference::is_one) {
        ui.note(&format!("nothing changes: the registry is as `{name}` says"));
        return Ok(());
    }
    let what = summary(&changes);
    if args.dry_run {
        ui.note(&format!("would apply {what}"));
        return Ok(());
    }
    if ask {
        if !ui.confirm(&format!("apply {what}?")).await? {
            return Err(CliError::refused("nothing was applied: the answer was not `yes`"));
        }
        // Only what has been shown: somebody else may have been at it meanwhile.
        in_session(app, async |store| Ok(store.apply_over(&known, &wanted).await?)).await?;
    }
    ui.note(&format!("applied {what}"));
    Ok(())
}

fn show(changes: &[Difference], ui: Ui) -> Result<(), CliError> {
    match ui.format() {
        Format::Json => ui.objects(changes),
        Format::Quiet => Ok(()),
        Format::Text => {
            let mut text: String = changes.iter().filter(|one| one.is_one()).map(Difference::lines).collect();
            let same = changes.iter().filter(|one| !one.is_one()).count();
            if same > 0 {
                text.push_str(&format!("= {same} unchanged\n"));
            }
            ui.data(text.as_bytes())
        }
    }
}

/// How much of what is added or changed.
fn summary(changes: &[Difference]) -> String {
    let count = |object: &str| changes.iter().filter(|one| one.is_one() && one.object == object).count() as u64;
    format!("{} and {}", counted(count("server"), "server"), counted(count("model"), "model"))
}

/// The most bytes of a registry file.
const LARGEST: usize = 64 << 20;

/// The name to be shown, and the text.
async fn read(file: &Path, origin: Origin) -> Result<(String, String), CliError> {
    let (input, name) = if file != Path::new("-") {
        let name = file.display().to_string();
        let opened = opened(file.to_owned()).await;
        (opened.map_err(|error| CliError::io(format!("cannot read `{name}`"), error))?, name)
    } else if origin == Origin::Line {
        return Err(
            CliError::usage("`-` is standard input, and here that is where commands come from").hint("name a file")
        );
    } else {
        (source(Input::Stdin, origin).await?, "<stdin>".to_owned())
    };
    let text = whole_text(input, &name, LARGEST).await?;
    Ok((name, text))
}
