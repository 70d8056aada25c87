//! `mer weights list`.

use mer_service::weights;

use super::version_view::VersionView;
use crate::{app::App, cli::WeightsListArgs, errors::CliError, ui::Ui};

/// Prints the versions of one model or of all, each with the aliases that mean it.
pub(super) async fn list(app: &App, args: &WeightsListArgs, ui: Ui) -> Result<(), CliError> {
    let versions = weights::list(&app.runtime, args.model.as_deref()).await?;
    ui.list(&versions.into_iter().map(VersionView::new).collect::<Vec<_>>())
}
