//! `mer migrate adopt`.

use mer_service::migrate;

use crate::{app::App, cli::AdoptArgs, errors::CliError, ui::Ui};

/// Gives a copy of a database a uid of its own, after asking.
pub(super) async fn adopt(app: &App, args: AdoptArgs, ui: Ui) -> Result<(), CliError> {
    migrate::database_uid(&app.runtime).await?;
    let database = &app.runtime.database().settings().url;
    let question = format!("is `{database}` a copy that is to be another database from now on?");
    // The database is not locked during the question.
    if !args.yes && !app.confirm(&question, ui).await? {
        return Err(CliError::refused("the database keeps its uid, and nothing changed"));
    }
    let uid = migrate::adopt(&app.runtime).await?;
    ui.note(&format!("the database is another one from now on, with the uid {uid}"));
    Ok(())
}
