//! `mer migrate`.

use jiff::Timestamp;
use mer_dal::Applied;
use mer_migrations::{Step, StepStatus};
use serde::Serialize;

use crate::{
    app::App,
    cli::MigrateVerb,
    error::{CliError, Kind},
    ui::{Listed, Ui},
};

/// A script as it is listed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ScriptRow {
    number: u32,
    name: String,
    status: &'static str,
    checksum: Option<String>,
    applied_at: Option<Timestamp>,
    duration_ms: Option<f64>,
    mer_version: Option<String>,
}

/// Brings the schema to this version, or shows where it stands.
pub(crate) async fn migrate(app: &App, verb: MigrateVerb, ui: Ui) -> Result<u8, CliError> {
    let session = app.migrations_session().await?;
    match verb {
        MigrateVerb::Up => {
            let report = mer_migrations::up(&session).await;
            session.close().await?;
            let rows: Vec<ScriptRow> = report?.applied.into_iter().map(ScriptRow::applied).collect();
            if !rows.is_empty() {
                ui.list(&rows)?;
            }
            ui.note(&match rows.len() {
                0 => "nothing to apply: the schema is at this version".to_owned(),
                1 => "applied 1 script".to_owned(),
                count => format!("applied {count} scripts"),
            });
            Ok(0)
        }
        MigrateVerb::Status => {
            let plan = mer_migrations::status(&session).await;
            session.close().await?;
            let plan = plan?;
            let wrong = plan.steps.iter().find(|step| step.status != StepStatus::Applied).map(told);
            let rows: Vec<ScriptRow> = plan.steps.into_iter().map(ScriptRow::from).collect();
            ui.list(&rows)?;
            wrong.map_or(Ok(0), Err)
        }
    }
}

fn told(step: &Step) -> CliError {
    let Step { number, name, status, .. } = step;
    let told = CliError::new(
        Kind::Config,
        format!("the schema is not at this version: script {number:02} `{name}` is {}", status.name()),
    );
    match status {
        StepStatus::Pending => told.hint("`mer migrate` applies what is pending"),
        _ => told,
    }
}

impl ScriptRow {
    fn applied(row: Applied) -> Self {
        Self {
            number: row.number,
            name: row.name,
            status: StepStatus::Applied.name(),
            checksum: Some(row.checksum),
            applied_at: Some(row.applied_at),
            duration_ms: Some(row.duration_ms),
            mer_version: Some(row.mer_version),
        }
    }
}

impl From<Step> for ScriptRow {
    fn from(step: Step) -> Self {
        let Step { number, name, status, applied } = step;
        let status = status.name();
        match applied {
            Some(row) => Self { number, name, status, ..Self::applied(row) },
            None => {
                Self { number, name, status, checksum: None, applied_at: None, duration_ms: None, mer_version: None }
            }
        }
    }
}

impl Listed for ScriptRow {
    const COLUMNS: &'static [&'static str] = &["number", "name", "status", "applied", "ms", "by"];

    fn cells(&self) -> Vec<String> {
        vec![
            format!("{:02}", self.number),
            self.name.clone(),
            self.status.to_owned(),
            self.applied_at.map(|time| format!("{time:.0}")).unwrap_or_default(),
            self.duration_ms.map(|ms| format!("{ms:.1}")).unwrap_or_default(),
            self.mer_version.clone().unwrap_or_default(),
        ]
    }
}
