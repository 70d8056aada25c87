//! `mer ps`.

use mer_client::{ClientError, steer};

use super::{detached_runs::DetachedRow, kept_processes::ProcessRow};
use crate::{
    app::App,
    engine::{database_location, from_resident},
    errors::CliError,
    ui::{Format, Ui},
};

/// Lists the processes that the resident keeps, and the detached runs. Without a resident no process is kept.
pub(super) async fn ps(app: &App, ui: Ui) -> Result<(), CliError> {
    let location = database_location(app)?;
    let processes = match steer::processes(&location).await {
        Ok(processes) => processes,
        Err(error @ ClientError::NoResident) => {
            ui.note(&error.to_string());
            Vec::new()
        }
        Err(error) => return Err(from_resident(error)),
    };
    let detached = app.runtime.known_detached().await.unwrap_or_else(|error| {
        // What the resident keeps is shown without the database, too.
        tracing::warn!(error = &error as &dyn std::error::Error, "detached runs could not be looked up");
        Vec::new()
    });
    let is_only_detached = processes.is_empty() && !detached.is_empty() && ui.format() == Format::Text;
    if !is_only_detached {
        ui.list(&processes.into_iter().map(ProcessRow).collect::<Vec<_>>())?;
    }
    if detached.is_empty() {
        return Ok(());
    }
    ui.list(&detached.into_iter().map(DetachedRow::new).collect::<Vec<_>>())
}
