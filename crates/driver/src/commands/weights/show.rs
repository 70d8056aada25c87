//! `mer weights show`.

use mer_service::weights;

use super::version_view::VersionView;
use crate::{app::App, cli::WeightsShowArgs, errors::CliError, ui::Ui};

/// Prints all that is known of a version. Its bytes are read once, for statistics.
pub(super) async fn show(app: &App, args: &WeightsShowArgs, ui: Ui) -> Result<(), CliError> {
    let named = weights::version(&app.runtime, &args.selector).await?;
    if args.no_statistics {
        return ui.show(&VersionView::new(named));
    }
    match weights::inspect(&app.runtime, &named.version).await? {
        Ok(found) => ui.show(&VersionView::new(named).with(found.tensors, found.statistics)),
        // What is known is shown all the same.
        Err(error) => {
            tracing::warn!("what the bytes of `{}` are like cannot be told: {error}", named.version);
            ui.show(&VersionView::new(named))
        }
    }
}
