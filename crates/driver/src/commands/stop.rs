//! `mer stop`.

use mer_client::{ClientError, steer, wire::StopRequest};
use mer_core::{Access, FailureKind};
use mer_service::detached::FoundRun;

use super::{kept_processes::ProcessRow, run_failure::keep_first};
use crate::{
    app::App,
    cli::StopArgs,
    engine::{database_location, from_resident},
    errors::CliError,
    ui::{Format, Ui},
};

/// Minimum length of the beginning of a uid.
const SHORTEST_UID: usize = 8;

/// Ends kept processes and detached runs, and waits until they are gone.
pub(super) async fn stop(app: &App, args: &StopArgs, ui: Ui) -> Result<(), CliError> {
    let StopArgs { mut names, all, now } = args.clone();
    stop_runs(app, &mut names, now, ui).await?;
    if names.is_empty() && !all {
        return Ok(());
    }
    let location = database_location(app)?;
    let wait = app.show_wait(|| {
        "waiting for models to end (at most their requests and `grace`; Ctrl-C ends the wait)".to_owned()
    });
    let stopped = match steer::stop(&location, &StopRequest { names: names.clone(), all, now }).await {
        // Without a resident nothing is kept.
        Err(ClientError::NoResident) if args.all => Vec::new(),
        Err(error @ ClientError::NoResident) => {
            let names = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            return Err(CliError::new(FailureKind::NotFound, format!("no process of {names} is kept")).caused_by(error));
        }
        stopped => stopped.map_err(from_resident)?,
    };
    drop(wait);
    if ui.format() == Format::Json {
        return ui.objects(&stopped.into_iter().map(ProcessRow).collect::<Vec<_>>());
    }
    ui.note(&format!("stopped {}", counted(stopped.len())));
    Ok(())
}

/// Ends the detached runs among these names, waits until they are over, and leaves the other names. A run that cannot be ended
/// keeps none of the others going.
async fn stop_runs(app: &App, names: &mut Vec<String>, now: bool, ui: Ui) -> Result<(), CliError> {
    let (mut rows, mut told, mut first) = (Vec::new(), Vec::new(), None);
    for name in std::mem::take(names) {
        // Ids of processes are shorter, and names of models seldom have nothing but digits.
        let may_be_uid = name.len() >= SHORTEST_UID && name.chars().all(|c| c == '-' || c.is_ascii_hexdigit());
        if !may_be_uid {
            names.push(name);
        } else if let Some(run) = app.runtime.find_open(&name).await? {
            match app.runtime.stop_detached(&run, now).await {
                Ok(()) => told.push(run),
                Err(error) => keep_first(&mut first, error.into(), ui),
            }
        } else if let Ok(FoundRun::Closed(access)) = app.runtime.find_detached(&name).await {
            let Access { request_uid, model, status, .. } = access.as_ref();
            ui.note(&format!("the run `{request_uid}` of `{model}` was over already: {status}"));
            rows.push(*access);
        } else {
            names.push(name);
        }
    }
    for run in told {
        let _wait = app.show_wait(|| format!("waiting for the run `{}` to end (at most its `grace`)", run.request_uid));
        let collected = app.runtime.wait_detached(FoundRun::Open(Box::new(run))).await?;
        ui.note(&format!("stopped the run `{}` of `{}`", collected.access.request_uid, collected.access.model));
        rows.push(collected.access);
    }
    if ui.format() == Format::Json {
        ui.objects(&rows)?;
    }
    first.map_or(Ok(()), Err)
}

fn counted(processes: usize) -> String {
    if processes == 1 { "1 process".to_owned() } else { format!("{processes} processes") }
}
