//! `mer doctor`: finds what keeps this installation from working, and says what to do about it. Prints a line for each check.
//!
//! It changes nothing but what any command changes: the journal is drained, and a process that is started to see whether
//! it becomes ready is on record as a `ping`.

mod claims;
mod database;
mod detached;
mod finding;
mod folders;
mod registry;
mod resident;
mod resources;
mod secrets;

use mer_core::FailureKind;

use self::finding::{Finding, Verdict};
use crate::{app::App, cli::DoctorArgs, errors::CliError, ui::Ui};

/// Checks everything, or with `--brief` what a health check needs.
pub(super) async fn doctor(app: &App, args: DoctorArgs, ui: Ui) -> Result<(), CliError> {
    let wait = app.show_wait(|| "looking at everything (each look has its bound; Ctrl-C ends it)".to_owned());
    let mut findings = settings(app);
    findings.extend(folders::look(app));
    if args.brief {
        findings.push(database::briefly(app).await);
        drop(wait);
        return tell(&findings, ui);
    }
    let (database, usable) = database::look(app).await;
    findings.extend(database);
    if usable {
        findings.extend(registry::look(app).await?);
        findings.extend(secrets::in_registry(app).await?);
        findings.extend(detached::look(app).await);
    }
    findings.push(resident::look(app).await);
    findings.extend(secrets::in_settings(app));
    drop(wait);
    tell(&findings, ui)
}

/// Reports settings that cannot be read; nothing else can be checked then.
pub(crate) fn cannot_begin(error: &CliError, ui: Ui) -> Result<(), CliError> {
    tell(&[Finding::error("settings", error, "docs/reference/settings.md has every setting")], ui)
}

fn settings(app: &App) -> Vec<Finding> {
    let mut findings =
        vec![Finding::ok("settings", format!("the database is `{}`", app.runtime.database().settings().url))];
    let remedy = "`mer config show` prints what holds and why";
    findings.extend(app.loaded.warnings.iter().map(|warning| Finding::warning("settings", warning, remedy)));
    findings
}

fn tell(findings: &[Finding], ui: Ui) -> Result<(), CliError> {
    ui.list(findings)?;
    let failed: Vec<&Finding> = findings.iter().filter(|finding| finding.result == Verdict::Failed).collect();
    let Some(first) = failed.first() else { return Ok(()) };
    let message = format!("{} of {} checks failed", failed.len(), findings.len());
    let error = CliError::new(FailureKind::ModelFailed, message).saying(&format!("{}: {}", first.check, first.detail));
    Err(first.remedy.iter().fold(error, CliError::hint))
}
