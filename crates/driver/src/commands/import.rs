//! `mer import`.

use std::path::Path;

use mer_service::transfer::{self, ImportReport};

use crate::{
    app::App,
    cli::{CommandLine, ImportArgs, Input},
    errors::CliError,
    io::{Origin, source},
    ui::{Format, Ui, counted},
};

/// Imports what `mer export --all` wrote.
pub(super) async fn import(
    app: &App,
    args: &ImportArgs,
    ui: Ui,
    command_line: &CommandLine,
    origin: Origin,
) -> Result<(), CliError> {
    app.check_changes_allowed(command_line)?;
    let file = &args.file;
    let (input, name) = if file == Path::new("-") {
        (Input::Stdin, "<stdin>".to_owned())
    } else {
        (Input::File(file.clone()), file.display().to_string())
    };
    let report = transfer::import(&app.runtime, source(input, origin).await?, name).await?;
    if ui.format() == Format::Json {
        return ui.json(&report);
    }
    print(&report, ui);
    Ok(())
}

fn print(report: &ImportReport, ui: Ui) {
    let ImportReport { servers, models, versions, accesses, lost, dropped } = report;
    let mut line = format!("imported {}, {}", counted(*servers, "server"), counted(*models, "model"));
    if *versions > 0 {
        line = format!("{line}, {} of weights", counted(*versions, "version"));
    }
    ui.note(&format!("{line} and {}", counted(*accesses, "access")));
    if *lost > 0 {
        ui.note(&format!("closed {} as lost: they had not ended when they were exported", counted(*lost, "run")));
    }
    if !dropped.is_empty() {
        ui.note(&format!("removed what the database began with and the file does not have: {}", dropped.join(", ")));
    }
}
