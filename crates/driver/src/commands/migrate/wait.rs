//! `mer migrate wait`.

use mer_service::migrate;

use crate::{app::App, cli::WaitArgs, errors::CliError, ui::Ui};

/// Waits until the database answers, whatever its schema is.
pub(super) async fn wait(app: &App, args: &WaitArgs, ui: Ui) -> Result<(), CliError> {
    let bound = args.timeout.unwrap_or(app.settings.db_wait).duration();
    let waited = migrate::wait(&app.runtime, bound).await?;
    ui.note(&format!("the database answers, after {:.1} s", waited.as_secs_f64()));
    Ok(())
}
