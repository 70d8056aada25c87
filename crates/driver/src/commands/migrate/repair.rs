//! `mer migrate repair`.

use super::{look, rows::Difference, scripts};
use crate::{app::App, cli::RepairArgs, errors::CliError, ui::Ui};

/// Accepts scripts that are not those that were applied, after showing which they are.
pub(super) async fn repair(app: &App, args: &RepairArgs, ui: Ui) -> Result<(), CliError> {
    let scripts = scripts(app, &args.scripts)?;
    let plan = look(app, &scripts).await?;
    plan.check_age()?;
    let differences: Vec<Difference> = plan.changed().filter_map(Difference::of).collect();
    if differences.is_empty() {
        ui.note("nothing to repair: what was applied is what is at hand");
        return Ok(());
    }
    ui.list(&differences)?;
    // Nobody has the database locked while a person thinks.
    if !args.yes && !app.confirm("take these scripts for those that were applied?", ui).await? {
        return Err(CliError::refused("nothing was repaired, and nothing changed"));
    }
    let session = app.runtime.migrations_session().await?;
    let report = mer_migrations::repair(&session, &scripts, &plan).await;
    session.close().await?;
    ui.note(&match report?.applied.len() {
        1 => "accepted 1 script".to_owned(),
        count => format!("accepted {count} scripts"),
    });
    Ok(())
}
