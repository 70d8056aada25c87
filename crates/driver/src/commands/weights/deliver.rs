//! Weights for a run: which version is meant.

use mer_core::{CURRENT_ALIAS, Selector, WeightsVersion, Which};
use mer_scheduler::{DeliveryEvent, DeliveryObserver, Weights};

use super::find;
use crate::{
    app::{App, View},
    errors::CliError,
    ui::Ui,
};

/// The weights that a run gets; none where the model alone is named and has no current ones. The scheduler brings them to
/// where the model runs.
///
/// # Errors
/// There is no such version (66), or the database cannot be asked.
pub(in crate::commands) async fn for_run(
    app: &App,
    view: &View,
    selector: &Selector,
    ui: Ui,
) -> Result<Option<Weights>, CliError> {
    let version = resolve(app, view, selector).await?;
    Ok(version.map(|version| Weights { version, progress: progress(ui) }))
}

/// The current weights of a model, where it has any.
pub(in crate::commands) fn current(view: &View, model: &str, ui: Option<Ui>) -> Option<Weights> {
    let version = view.alias(model, CURRENT_ALIAS)?.clone();
    Some(Weights { version, progress: ui.and_then(progress) })
}

/// Says how far they are, where somebody may wait for them.
fn progress(ui: Ui) -> Option<DeliveryObserver> {
    let passing = ui.passing()?;
    Some(DeliveryObserver::new(move |step| match step {
        DeliveryEvent::Transferred { version, server, bytes } => {
            passing.show(|| format!("bringing {version} to {server}: {} of {} MiB", bytes >> 20, version.bytes >> 20));
        }
        DeliveryEvent::Over => passing.clear(),
        _ => {}
    }))
}

/// What aliases mean is known with the registry, and the newest versions. Only for another version the database is opened,
/// and for the names that are near a wrong one.
async fn resolve(app: &App, view: &View, selector: &Selector) -> Result<Option<WeightsVersion>, CliError> {
    let known = match &selector.which {
        Which::Version(number) => view.version(&selector.model, *number),
        which => which.alias().and_then(|name| view.alias(&selector.model, name)),
    };
    match known {
        Some(version) => Ok(Some(version.clone())),
        None if selector.which == Which::Current => Ok(None),
        None => find::version(app, selector).await.map(|(version, _)| Some(version)),
    }
}
