//! `mer migrate adopt`.

use mer_dal::{DrainOptions, DrainReport};

use mer_service::JournalState;

use crate::{
    app::{self, App},
    cli::AdoptArgs,
    errors::CliError,
    ui::Ui,
};

/// Gives a copy of a database a uid of its own, after asking.
pub(super) async fn adopt(app: &App, args: AdoptArgs, ui: Ui) -> Result<(), CliError> {
    let session = app.runtime.migrations_session().await?;
    let known = session.database_uid().await;
    session.close().await?;
    known?;
    let database = &app.runtime.database().settings().url;
    let question = format!("is `{database}` a copy that is to be another database from now on?");
    // The database is not locked while a person thinks.
    if !args.yes && !app.confirm(&question, ui).await? {
        return Err(CliError::refused("the database keeps its uid, and nothing changed"));
    }
    // What was surely run against the copy itself belongs to it under its former uid too.
    let options = DrainOptions { only_from_here: true, ..DrainOptions::default() };
    let JournalState { session, report, stopped } =
        app.runtime.drained(app.runtime.migrations_session().await?, options).await?;
    app::warn_of_journal(&DrainReport { elsewhere: Vec::new(), ..report }, stopped.as_ref());
    let uid = session.new_uid().await;
    session.close().await?;
    ui.note(&format!("the database is another one from now on, with the uid {}", uid?));
    Ok(())
}
