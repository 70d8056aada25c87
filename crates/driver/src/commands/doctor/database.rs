//! Checks that the database answers, has the schema of this version, and has every access.

use std::time::Duration;

use mer_dal::{DalError, Database, DrainOptions, DrainReport, Pending};
use mer_service::{
    JournalState, ServiceError,
    health::{self, LostRuns, SchemaState},
};

use super::{Finding, Verdict, claims};
use crate::{app::App, cli::line_of, errors::CliError, ui::counted};

/// Bound on the check of `--brief`: a health check as a whole takes at most 5 s, even on a busy machine.
const BRIEFLY: Duration = Duration::from_secs(3);
/// Period in which lost runs are searched.
const LATELY: jiff::SignedDuration = jiff::SignedDuration::from_hours(7 * 24);

const CHECK: &str = "database";

/// The remedy for an error without a hint.
fn remedy(database: &Database) -> &'static str {
    match database.settings().url.is_embedded() {
        true => "docs/reference/databases.md says what is in its folder, and how another one is named",
        false => "start it, or set another one: docs/reference/databases.md",
    }
}

/// Checks that it answers within the bound and is at this version.
pub(super) async fn briefly(app: &App) -> Finding {
    let otherwise = remedy(app.runtime.database());
    match health::schema_state_within(&app.runtime, BRIEFLY).await {
        Some(state) => schema(app, state),
        None => Finding::failed(CHECK, format!("no answer within {} s", BRIEFLY.as_secs()), otherwise),
    }
}

/// Checks the database, the journal and lost runs. Returns also whether the registry can be read.
pub(super) async fn look(app: &App) -> (Vec<Finding>, bool) {
    let mut findings = vec![schema(app, health::schema_state(&app.runtime).await)];
    if findings[0].remedy.is_some() {
        findings.extend(backlog(app.runtime.database()));
        return (findings, false);
    }
    match drained(app).await {
        Ok(more) => findings.extend(more),
        Err(error) => findings.push(Finding::error("journal", &error, remedy(app.runtime.database()))),
    }
    (findings, true)
}

fn schema(app: &App, state: Result<SchemaState, ServiceError>) -> Finding {
    let database = app.runtime.database();
    match state {
        Ok(SchemaState::NotCreated) => Finding::ok(CHECK, "is made by the first command that needs it"),
        Ok(SchemaState::Current { script }) => Finding::ok(CHECK, format!("answers, at script {script:02}")),
        Ok(SchemaState::Pending { count }) if database.settings().url.is_embedded() => {
            Finding::ok(CHECK, format!("{count} scripts are applied by the next command"))
        }
        Ok(SchemaState::Pending { count }) => {
            Finding::failed(CHECK, format!("{count} scripts are not applied"), "mer migrate")
        }
        Ok(SchemaState::Different { error }) => {
            Finding::error(CHECK, &error.into(), "`mer migrate status` shows where the two differ")
        }
        Ok(_) => Finding::ok(CHECK, "answers"),
        Err(error) => Finding::error(CHECK, &error.into(), remedy(database)),
    }
}

async fn drained(app: &App) -> Result<Vec<Finding>, CliError> {
    let JournalState { session, report, stopped } =
        app.runtime.drained(app.runtime.session().await?, DrainOptions::default()).await?;
    let mut findings = journal(app, &report, stopped);
    findings.extend(claims::found(session.list_claims().await));
    findings.push(lost(health::lost_runs(&session, LATELY).await?));
    session.close().await?;
    Ok(findings)
}

/// Reports what the journal holds for a database that cannot be used.
fn backlog(database: &Database) -> Option<Finding> {
    let Pending { segments, bytes } = database.pending();
    let detail = format!(
        "{} of records wait in {} for the database",
        counted(bytes, "byte"),
        counted(segments as u64, "segment")
    );
    let remedy = "the next command that reaches the database moves them; keep the folder until then";
    (bytes > 0).then(|| Finding::warning("journal", detail, remedy))
}

/// Reports on the journal, and on what of it does not get into the database by itself.
fn journal(app: &App, report: &DrainReport, stopped: Option<DalError>) -> Vec<Finding> {
    const CHECK: &str = "journal";
    let folder = app.runtime.database().journal_dir();
    let mut findings = Vec::new();
    if let Some(error) = stopped {
        let known =
            Finding::error(CHECK, &error.into(), "the records wait there, and are moved when the database takes them");
        findings.push(Finding { result: Verdict::Warning, ..known });
    }
    for (count, what, file) in [
        (report.corrupt, "could not be read", "corrupt.jsonl"),
        (report.refused, "were not taken by the database as they are", "refused.jsonl"),
    ] {
        if count > 0 {
            let detail = format!("{} {what}; they are in `{file}`", counted(count as u64, "line"));
            findings.push(Finding::warning(CHECK, detail, format!("look at `{}`", folder.join(file).display())));
        }
    }
    for skipped in &report.skipped {
        let path = skipped.path.display();
        let detail = format!("`{path}` cannot be read: {}", skipped.reason);
        let remedy =
            "where MER wrote it, root gives it to this user (`chown`), or a newer MER reads it; otherwise move it away";
        findings.push(Finding::warning(CHECK, detail, remedy));
    }
    for place in &report.elsewhere {
        let count = counted(place.segments as u64, "segment");
        let detail = format!("{count} of this database as it was at `{}`, and not of this place", place.address);
        let from = line_of(["--from", &place.address]);
        let remedy = format!(
            "`mer log drain {from}` where the database has moved from there; `mer migrate adopt` where this is a copy of it"
        );
        findings.push(Finding::warning(CHECK, detail, remedy));
    }
    if !findings.is_empty() {
        return findings;
    }
    let waiting = app.runtime.database().pending().bytes;
    vec![if waiting > 0 {
        // They belong to other processes that are at work, or to another database that shares the folder.
        Finding::ok(CHECK, format!("drained; {waiting} bytes belong to runs or databases of others"))
    } else {
        Finding::ok(CHECK, format!("drained, {} records", report.recorded))
    }]
}

fn lost(LostRuns { count, newest }: LostRuns) -> Finding {
    match newest {
        None => Finding::ok("lost runs", "none within 7 days"),
        Some(newest) => Finding::warning(
            "lost runs",
            format!("{count} within 7 days, whose end was not recorded; the last one ran `{}`", newest.model),
            format!("mer log show {}", newest.request_uid),
        ),
    }
}
