//! `mer internal-drain`, which the resident starts: the database's engine then takes no memory of it.

use mer_service::log;

use crate::{app::App, errors::CliError};

/// Moves the journal into the database.
pub(super) async fn drain(app: &App) -> Result<(), CliError> {
    log::drain(&app.runtime, Vec::new()).await.map(drop).map_err(CliError::from)
}
