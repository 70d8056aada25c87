//! `mer apply`.

use std::path::Path;

use mer_service::{
    open_file,
    registry::{self, Difference},
    registry_file,
};

use super::{differences::lines, working_folder};
use crate::{
    app::App,
    cli::{ApplyArgs, CommandLine, Input},
    errors::CliError,
    io::{Origin, source, whole_text},
    ui::{Format, Ui, counted},
};

/// Adds and replaces what a registry file names, in one transaction, and shows what that changes.
pub(in crate::commands) async fn apply(
    app: &App,
    args: &ApplyArgs,
    ui: Ui,
    command_line: &CommandLine,
    origin: Origin,
) -> Result<(), CliError> {
    if !args.dry_run {
        app.check_changes_allowed(command_line)?;
    }
    let (name, text) = {
        let _told = app.show_wait(|| format!("waiting for the input `{}` (Ctrl-C ends the wait)", args.file.display()));
        read(&args.file, origin).await?
    };
    let file = registry_file::read(Path::new(&name), &text)?;
    file.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
    // Relative paths begin in the folder of the file; those of standard input in the working folder.
    let folder = working_folder().join(Path::new(&args.file).parent().unwrap_or(Path::new("")));
    let ask = !args.yes && !args.dry_run && !app.settings.no_input && !command_line.no_input && ui.can_ask();
    // Nothing is printed or asked while the database is open: a slow reader would lock out every other process.
    let plan = registry::plan(&app.runtime, &file, &folder, !ask && !args.dry_run).await?;
    let changes = &plan.differences;
    show(changes, ui)?;
    if !changes.iter().any(Difference::is_change) {
        ui.note(&format!("nothing changes: the registry is as `{name}` says"));
        return Ok(());
    }
    let what = summary(changes);
    if args.dry_run {
        ui.note(&format!("would apply {what}"));
        return Ok(());
    }
    if ask {
        if !ui.confirm(&format!("apply {what}?")).await? {
            return Err(CliError::refused("nothing was applied: the answer was not `yes`"));
        }
        // Fails if the registry has changed meanwhile: only what was shown is applied.
        registry::apply(&app.runtime, &plan).await?;
    }
    ui.note(&format!("applied {what}"));
    Ok(())
}

fn show(changes: &[Difference], ui: Ui) -> Result<(), CliError> {
    match ui.format() {
        Format::Json => ui.objects(changes),
        Format::Quiet => Ok(()),
        Format::Text => {
            let mut text: String = changes.iter().filter(|one| one.is_change()).map(lines).collect();
            let same = changes.iter().filter(|one| !one.is_change()).count();
            if same > 0 {
                text.push_str(&format!("= {same} unchanged\n"));
            }
            ui.data(text.as_bytes())
        }
    }
}

/// How many objects are added or changed.
fn summary(changes: &[Difference]) -> String {
    let count = |object: &str| changes.iter().filter(|one| one.is_change() && one.object == object).count() as u64;
    format!("{} and {}", counted(count("server"), "server"), counted(count("model"), "model"))
}

/// Maximum number of bytes of a registry file.
const LARGEST: usize = 64 << 20;

/// Returns the name for messages, and the text.
async fn read(file: &Path, origin: Origin) -> Result<(String, String), CliError> {
    let (input, name) = if file != Path::new("-") {
        let name = file.display().to_string();
        let opened = open_file(file.to_owned()).await;
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
