//! `mer internal-drain`, which the resident starts: the database's engine then takes no memory of it.

use mer_service::log;

use crate::{app::App, errors::CliError};

/// Moves the journal into the database, and puts the ends of detached runs on record.
pub(super) async fn drain(app: &App) -> Result<(), CliError> {
    let drained = log::drain(&app.runtime, Vec::new()).await.map(drop);
    app.runtime.collect_detached().await;
    drained.map_err(CliError::from)
}
