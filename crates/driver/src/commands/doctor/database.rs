//! Whether the database answers, has this version's schema, and has heard of every access.

use std::time::Duration;

use mer_core::Status;
use mer_dal::{AccessFilter, Database, DbUrl, Session, Settings};
use mer_migrations::StepStatus;

use super::Finding;
use crate::{app::App, error::CliError};

/// A health check as a whole takes 5 s at most, on a busy machine too.
const BRIEFLY: Duration = Duration::from_secs(3);
/// How far back runs without an end are looked for.
const LATELY: jiff::SignedDuration = jiff::SignedDuration::from_hours(7 * 24);
/// Accesses that are looked at.
const LOOK_BACK: usize = 10_000;

const CHECK: &str = "database";
const REMEDY: &str = "start it, or set another one: docs/reference/databases.md";

/// Whether it answers within the bound and is at this version.
pub(super) async fn briefly(app: &App) -> Finding {
    let settings = app.database.settings();
    let wait = settings.wait.min(BRIEFLY);
    let database = Database::new(Settings { wait, ..settings.clone() });
    match tokio::time::timeout(BRIEFLY, schema(&database)).await {
        Ok(finding) => finding,
        Err(_) => Finding::failed(CHECK, format!("no answer within {} s", BRIEFLY.as_secs()), REMEDY),
    }
}

/// The database, the journal and lost runs; and whether the registry can be read.
pub(super) async fn look(app: &App) -> (Vec<Finding>, bool) {
    let mut findings = vec![schema(&app.database).await];
    if findings[0].remedy.is_some() {
        return (findings, false);
    }
    match drained(app).await {
        Ok(more) => findings.extend(more),
        Err(error) => findings.push(Finding::error("journal", &error, REMEDY)),
    }
    (findings, true)
}

async fn schema(database: &Database) -> Finding {
    if let DbUrl::Embedded(folder) = &database.settings().url
        && !folder.exists()
    {
        return Finding::ok(CHECK, "is made by the first command that needs it");
    }
    let found = async {
        let session = database.session().await?;
        let plan = mer_migrations::status(&session).await;
        session.close().await?;
        Ok::<_, CliError>(plan?)
    };
    let plan = match found.await {
        Ok(plan) => plan,
        Err(error) => return Finding::error(CHECK, &error, REMEDY),
    };
    if let Err(error) = plan.check() {
        return Finding::error(CHECK, &error.into(), "`mer migrate status` shows where the two differ");
    }
    let pending = plan.steps.iter().filter(|step| step.status == StepStatus::Pending).count();
    match pending {
        0 => Finding::ok(CHECK, format!("answers, at script {:02}", plan.steps.last().map_or(0, |step| step.number))),
        count if database.settings().url.is_embedded() => {
            Finding::ok(CHECK, format!("{count} scripts are applied by the next command"))
        }
        count => Finding::failed(CHECK, format!("{count} scripts are not applied"), "mer migrate"),
    }
}

async fn drained(app: &App) -> Result<Vec<Finding>, CliError> {
    let session = app.session().await?;
    let (session, report) = session.drain().await?;
    let mut findings = Vec::new();
    let waiting = app.database.pending().bytes;
    findings.push(if report.corrupt > 0 {
        let detail = format!("{} lines could not be read; they are in `corrupt.jsonl`", report.corrupt);
        Finding::warning("journal", detail, format!("look at `{}`", app.database.journal_dir().display()))
    } else if waiting > 0 {
        // Of other processes that are at work, or of another database that shares the folder.
        Finding::ok("journal", format!("drained; {waiting} bytes belong to runs or databases of others"))
    } else {
        Finding::ok("journal", format!("drained, {} records", report.recorded))
    });
    findings.push(lost(&session).await?);
    session.close().await?;
    Ok(findings)
}

async fn lost(session: &Session) -> Result<Finding, CliError> {
    let since = jiff::Timestamp::now().checked_sub(LATELY).ok();
    let filter = AccessFilter { limit: LOOK_BACK, since, ..AccessFilter::default() };
    let accesses = session.accesses(&filter).await?;
    let lost: Vec<_> = accesses.iter().filter(|access| access.status == Status::Lost).collect();
    Ok(match lost.first() {
        None => Finding::ok("lost runs", "none within 7 days"),
        Some(newest) => Finding::warning(
            "lost runs",
            format!("{} within 7 days: `mer` died in the middle, the last time running `{}`", lost.len(), newest.model),
            format!("mer log show {}", newest.request_uid),
        ),
    })
}
