//! `mer migrate`.

use mer_migrations::{ScriptState, ScriptStatus};

use crate::{
    app::App,
    cli::MigrateVerb,
    error::{CliError, Kind},
    ui::{Listed, Ui},
};

/// Brings the schema to this version, or shows where it stands.
pub(crate) async fn migrate(app: &App, verb: MigrateVerb, ui: Ui) -> Result<u8, CliError> {
    let session = app.database.session().await?;
    match verb {
        MigrateVerb::Up => {
            let report = mer_migrations::up(&session).await;
            session.close().await?;
            let report = report?;
            ui.list(&report.applied)?;
            ui.note(&match report.applied.len() {
                0 => "nothing to apply: the schema is at this version".to_owned(),
                count => format!("applied {count} script{}", if count == 1 { "" } else { "s" }),
            });
            Ok(0)
        }
        MigrateVerb::Status => {
            let status = mer_migrations::status(&session).await;
            session.close().await?;
            let status = status?;
            ui.list(&status)?;
            match status.iter().find(|script| script.state != ScriptState::Applied) {
                None => Ok(0),
                Some(script) => Err(CliError::new(
                    Kind::Config,
                    format!("the schema is not at this version: script {:02}-{} is {}", script.number, script.name, script.state),
                )
                .hint("`mer migrate` applies what is pending")),
            }
        }
    }
}

impl Listed for ScriptStatus {
    const COLUMNS: &'static [&'static str] = &["number", "name", "state", "applied", "ms", "by"];

    fn cells(&self) -> Vec<String> {
        let applied = self.applied.as_ref();
        vec![
            format!("{:02}", self.number),
            self.name.clone(),
            self.state.to_string(),
            applied.map(|row| format!("{:.0}", row.applied_at)).unwrap_or_default(),
            applied.map(|row| format!("{:.1}", row.duration_ms)).unwrap_or_default(),
            applied.map(|row| row.mer_version.clone()).unwrap_or_default(),
        ]
    }
}
