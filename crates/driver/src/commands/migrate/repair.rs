//! `mer migrate repair`.

use mer_service::migrate;

use super::{rows::Difference, scripts};
use crate::{app::App, cli::RepairArgs, errors::CliError, ui::Ui};

/// Accepts scripts that are not those that were applied, after showing which they are.
pub(super) async fn repair(app: &App, args: &RepairArgs, ui: Ui) -> Result<(), CliError> {
    let scripts = scripts(app, &args.scripts)?;
    let plan = migrate::plan(&app.runtime, &scripts).await?;
    plan.check_age()?;
    let differences: Vec<Difference> = plan.changed().filter_map(Difference::of).collect();
    if differences.is_empty() {
        ui.note("nothing to repair: what was applied is what is at hand");
        return Ok(());
    }
    ui.list(&differences)?;
    // The database is not locked during the question.
    if !args.yes && !app.confirm("take these scripts for those that were applied?", ui).await? {
        return Err(CliError::refused("nothing was repaired, and nothing changed"));
    }
    let report = migrate::repair(&app.runtime, &scripts, &plan).await?;
    ui.note(&match report.applied.len() {
        1 => "accepted 1 script".to_owned(),
        count => format!("accepted {count} scripts"),
    });
    Ok(())
}
