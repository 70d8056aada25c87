//! `mer ps`.

use mer_client::{ClientError, steer};

use super::kept_processes::ProcessRow;
use crate::{
    app::App,
    engine::{database_location, from_resident},
    errors::CliError,
    ui::Ui,
};

/// Lists the processes that the resident keeps. Without a resident there are none.
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
    ui.list(&processes.into_iter().map(ProcessRow).collect::<Vec<_>>())
}
