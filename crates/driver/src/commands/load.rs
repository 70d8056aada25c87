//! `mer load`.

use mer_client::{ClientError, steer};
use mer_scheduler::Outcome;

use super::run_failure::failure;
use crate::{
    app::App,
    cli::{LoadArgs, selector},
    engine::{database_location, from_resident},
    errors::{CliError, outcome_hint},
    ui::{Format, Ui},
};

/// Has the resident start and keep a process of each model. Without a resident one is started.
pub(super) async fn load(app: &App, args: &LoadArgs, ui: Ui) -> Result<(), CliError> {
    let location = database_location(app)?;
    for model in &args.models {
        selector(model)?;
    }
    let mut first: Option<CliError> = None;
    for model in &args.models {
        let wait = app.show_wait(|| format!("loading `{model}` (at most its `startTimeout`; Ctrl-C ends the wait)"));
        let mut loaded = steer::load(&location, model, app.engine.context().cloned()).await;
        if matches!(loaded, Err(ClientError::NoResident)) && app.engine.start_resident(&location).await {
            loaded = steer::load(&location, model, app.engine.context().cloned()).await;
        }
        drop(wait);
        let outcome = Outcome::from(loaded.map_err(from_resident)?);
        if ui.format() == Format::Json {
            ui.json(&outcome.access)?;
        }
        if outcome.succeeded() {
            ui.note(&format!("`{model}` is loaded on `{}`", outcome.access.server));
            continue;
        }
        let error = failure(&outcome, None, outcome_hint(&outcome), ui);
        // The others are loaded all the same; each failure is told.
        match &first {
            None => first = Some(error),
            Some(_) => ui.error(&error),
        }
    }
    first.map_or(Ok(()), Err)
}
