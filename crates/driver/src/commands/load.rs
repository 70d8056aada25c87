//! `mer load`.

use mer_client::{ClientError, Location, steer};
use mer_core::Classified as _;
use mer_scheduler::Outcome;

use super::run_failure::{failure, keep_first};
use crate::{
    app::App,
    cli::{LoadArgs, selector},
    engine::{NotStarted, database_location, from_resident},
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
        let loaded = load_one(app, &location, model).await;
        drop(wait);
        let outcome = match loaded {
            Ok(outcome) => outcome,
            // The others are loaded all the same; each failure is told.
            Err(LoadError::OfModel(error)) => {
                keep_first(&mut first, error, ui);
                continue;
            }
            Err(LoadError::OfAll(error)) => {
                if let Some(first) = first {
                    ui.error(&first);
                }
                return Err(error);
            }
        };
        if ui.format() == Format::Json {
            ui.json(&outcome.access)?;
        }
        if outcome.succeeded() {
            ui.note(&format!("`{model}` is loaded on `{}`", outcome.access.server));
            continue;
        }
        keep_first(&mut first, failure(&outcome, None, outcome_hint(&outcome), ui), ui);
    }
    first.map_or(Ok(()), Err)
}

/// Why a model was not loaded.
enum LoadError {
    /// This model cannot be loaded.
    OfModel(CliError),
    /// None can be.
    OfAll(CliError),
}

/// Loads a model. Without a resident one is started.
async fn load_one(app: &App, location: &Location, model: &str) -> Result<Outcome, LoadError> {
    let load = || steer::load(location, model, app.engine.context().cloned());
    let mut loaded = load().await;
    if matches!(loaded, Err(ClientError::NoResident)) {
        match app.engine.start_resident(location).await {
            Ok(()) => loaded = load().await,
            Err(NotStarted::NotFromHere) => {}
            Err(error) => {
                let kind = error.failure_kind();
                let failed = CliError::new(kind, format!("`{model}` is not loaded: no resident is running"));
                let hint = "`mer serve` starts one in the foreground, and says what it lacks";
                return Err(LoadError::OfAll(failed.caused_by(error).hint(hint)));
            }
        }
    }
    match loaded {
        Ok(end) => Ok(Outcome::from(end)),
        Err(error @ ClientError::Refused(_)) => Err(LoadError::OfModel(from_resident(error))),
        Err(error) => Err(LoadError::OfAll(from_resident(error))),
    }
}
