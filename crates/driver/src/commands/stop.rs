//! `mer stop`.

use mer_client::{ClientError, steer, wire::StopRequest};
use mer_core::FailureKind;

use super::kept_processes::ProcessRow;
use crate::{
    app::App,
    cli::StopArgs,
    engine::{database_location, from_resident},
    errors::CliError,
    ui::{Format, Ui},
};

/// Ends kept processes, and waits until they are gone.
pub(super) async fn stop(app: &App, args: &StopArgs, ui: Ui) -> Result<(), CliError> {
    let StopArgs { names, all, now } = args.clone();
    let location = database_location(app)?;
    let wait = app.show_wait(|| {
        "waiting for models to end (at most their requests and `grace`; Ctrl-C ends the wait)".to_owned()
    });
    let stopped = match steer::stop(&location, &StopRequest { names, all, now }).await {
        // Without a resident nothing is kept.
        Err(ClientError::NoResident) if args.all => Vec::new(),
        Err(error @ ClientError::NoResident) => {
            let names = args.names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
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

fn counted(processes: usize) -> String {
    if processes == 1 { "1 process".to_owned() } else { format!("{processes} processes") }
}
