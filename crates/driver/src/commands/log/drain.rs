//! `mer log drain`.

use mer_dal::DrainReport;
use mer_service::log;
use serde::Serialize;

use crate::{
    app::App,
    cli::LogDrainArgs,
    errors::CliError,
    ui::{Format, Ui, counted},
};

/// The JSON of a drain.
#[derive(Debug, Serialize)]
struct Drained {
    recorded: usize,
    lost: usize,
    refused: usize,
    corrupt: usize,
}

/// Moves the journal into the database, also what was recorded for the database at another address.
pub(super) async fn drain(app: &App, args: &LogDrainArgs, ui: Ui) -> Result<(), CliError> {
    let DrainReport { recorded, lost, refused, corrupt, .. } = log::drain(&app.runtime, args.from.clone()).await?;
    if ui.format() == Format::Json {
        return ui.json(&Drained { recorded, lost, refused, corrupt });
    }
    ui.note(&format!("moved {} into the database", counted(recorded as u64, "record")));
    Ok(())
}
