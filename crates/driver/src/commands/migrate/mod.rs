//! `mer migrate`.

mod adopt;
mod repair;
mod rows;
mod wait;

use std::path::Path;

use mer_migrations::{MigrationError, Report, Scripts, StepStatus};
use mer_service::migrate;

use self::rows::ScriptRow;
use crate::{
    app::App,
    cli::{BaselineArgs, MigrateVerb, PlanArgs, RepairArgs, ScriptsArgs, UpArgs, line_of},
    errors::CliError,
    ui::Ui,
};

/// Brings the schema to this version, or shows its state.
pub(crate) async fn execute(app: &App, verb: &MigrateVerb, ui: Ui) -> Result<u8, CliError> {
    let scripts = match verb {
        MigrateVerb::Up(UpArgs { plan, .. }) | MigrateVerb::Plan(plan) => Some(&plan.scripts),
        MigrateVerb::Status(scripts)
        | MigrateVerb::Baseline(BaselineArgs { scripts, .. })
        | MigrateVerb::Repair(RepairArgs { scripts, .. }) => Some(scripts),
        MigrateVerb::Wait(_) | MigrateVerb::Adopt(_) => None,
    };
    let work = async {
        match verb {
            MigrateVerb::Up(UpArgs { plan, .. }) | MigrateVerb::Plan(plan) => show_plan(app, plan, ui).await,
            MigrateVerb::Status(args) => status(app, args, ui).await,
            MigrateVerb::Wait(args) => wait::wait(app, args, ui).await,
            MigrateVerb::Baseline(args) => baseline(app, args, ui).await,
            MigrateVerb::Repair(args) => repair::repair(app, args, ui).await,
            MigrateVerb::Adopt(args) => adopt::adopt(app, *args, ui).await,
        }
    };
    let done = match verb {
        MigrateVerb::Up(UpArgs { plan, dry_run: false }) => up(app, plan, ui).await,
        _ => app.signals.unless_ended(work).await,
    };
    let folder = scripts.and_then(|scripts| scripts.sql_dir.as_deref());
    done.map(|()| 0).map_err(|error| folder.into_iter().fold(error, with_folder))
}

/// Adds the folder of scripts to the commands in hints; without it they would use other scripts.
fn with_folder(error: CliError, folder: &Path) -> CliError {
    let folder = line_of(["--sql-dir", &folder.to_string_lossy()]);
    error.with_hints(|hint| {
        let commands = ["mer migrate", "mer migrate status", "mer migrate repair"];
        commands.iter().fold(hint.to_owned(), |hint, command| {
            hint.replace(&format!("`{command}`"), &format!("`{command} {folder}`"))
        })
    })
}

/// Applies scripts. A signal also ends the script that runs on the server.
async fn up(app: &App, args: &PlanArgs, ui: Ui) -> Result<(), CliError> {
    let scripts = scripts(app, &args.scripts)?;
    // Checked before a database is created.
    args.target.map_or(Ok(()), |number| scripts.get(number).map(drop))?;
    let session = app.signals.unless_ended(async { Ok(app.runtime.migrations_session().await?) }).await?;
    let mut report = Report::default();
    let wait_notice =
        app.show_wait(|| "waiting for the lock of the database, or for a script (Ctrl-C ends it)".to_owned());
    let work = async {
        let done = mer_migrations::up_telling(&session, &scripts, args.target, &mut report).await;
        done.map_err(CliError::from)
    };
    let done = app.signals.unless_ended(work).await;
    drop(wait_notice);
    let closed = if done.as_ref().is_err_and(|error| error.signal().is_some()) {
        // The work was dropped in the middle. A server goes on with its script, whose end is waited for.
        let stopping = async {
            session.stop_script().await;
            Ok(())
        };
        app.signals.unless_ended(stopping).await
    } else {
        app.signals.unless_ended(async { Ok(session.close().await?) }).await
    };
    // Scripts that were applied before another one failed stay applied, and are listed.
    if done.is_ok() || !report.applied.is_empty() {
        print_applied(ui, report, "applied")?;
    }
    done?;
    closed
}

async fn baseline(app: &App, args: &BaselineArgs, ui: Ui) -> Result<(), CliError> {
    let scripts = scripts(app, &args.scripts)?;
    scripts.get(args.number)?;
    let report = migrate::baseline(&app.runtime, &scripts, args.number).await?;
    print_applied(ui, report, "noted as applied")
}

/// Shows what `up` would do. Takes no lock, and creates no database.
async fn show_plan(app: &App, args: &PlanArgs, ui: Ui) -> Result<(), CliError> {
    let scripts = scripts(app, &args.scripts)?;
    args.target.map_or(Ok(()), |number| scripts.get(number).map(drop))?;
    let plan = migrate::plan(&app.runtime, &scripts).await?;
    plan.check()?;
    let target = args.target.unwrap_or(u32::MAX);
    let pending = |status, number| status == StepStatus::Pending && number <= target;
    let rows: Vec<ScriptRow> =
        plan.steps.into_iter().filter(|step| pending(step.status, step.number)).map(ScriptRow::from).collect();
    if !rows.is_empty() {
        ui.list(&rows)?;
    }
    ui.note(&summary(rows.len(), "would be applied"));
    Ok(())
}

async fn status(app: &App, args: &ScriptsArgs, ui: Ui) -> Result<(), CliError> {
    let plan = migrate::plan(&app.runtime, &scripts(app, args)?).await?;
    let wrong = plan.steps.iter().find(|step| step.status != StepStatus::Applied);
    let wrong = wrong.map(|step| {
        let error = CliError::config(format!(
            "the schema is not at this version: script {:02} `{}` is {}",
            step.number,
            step.name,
            step.status.name()
        ));
        match step.status {
            StepStatus::Pending => error.hint("`mer migrate` applies what is pending"),
            StepStatus::Changed => error.hint("`mer migrate repair` shows the difference, and accepts it"),
            StepStatus::Missing if step.own => error.hint("name the folder that has it with `--sql-dir`"),
            StepStatus::Missing => error.hint("use the MER that migrated it, or a newer one"),
            _ => error,
        }
    });
    let rows: Vec<ScriptRow> = plan.steps.into_iter().map(ScriptRow::from).collect();
    ui.list(&rows)?;
    wrong.map_or(Ok(()), Err)
}

/// The scripts of a command.
fn scripts(app: &App, args: &ScriptsArgs) -> Result<Scripts, MigrationError> {
    migrate::scripts(&app.runtime, args.sql_dir.as_deref())
}

fn print_applied(ui: Ui, report: Report, done: &str) -> Result<(), CliError> {
    let rows: Vec<ScriptRow> = report.applied.into_iter().map(ScriptRow::applied).collect();
    if !rows.is_empty() {
        ui.list(&rows)?;
    }
    ui.note(&summary(rows.len(), done));
    Ok(())
}

fn summary(count: usize, done: &str) -> String {
    match (count, done) {
        (0, _) => "nothing to apply: the schema is at this version".to_owned(),
        (1, "applied") => "applied 1 script".to_owned(),
        (count, "applied") => format!("applied {count} scripts"),
        (1, done) => format!("1 script {done}"),
        (count, done) => format!("{count} scripts {done}"),
    }
}
