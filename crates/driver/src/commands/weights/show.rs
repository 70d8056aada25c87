//! `mer weights show`.

use mer_dal::Download;
use mer_weights::{Given, Inspector};

use super::{find, told::Told};
use crate::{app::App, cli::WeightsShowArgs, error::CliError, ui::Ui};

/// All that is known of a version. Its bytes are read once, for statistics.
pub(super) async fn show(app: &App, args: &WeightsShowArgs, ui: Ui) -> Result<(), CliError> {
    let (version, aliases) = find::version(app, &args.selector).await?;
    if args.no_statistics {
        return ui.show(&Told::new(version, aliases));
    }
    // Of the formats with a header the header says it.
    let given = Given { dtype: Some(version.dtype), shape: version.shape.clone() };
    let mut inspector = Inspector::new(version.format, given)?;
    let mut download = Download::new(&app.database, &version);
    while let Some(bytes) = download.next().await? {
        inspector.feed(&bytes)?;
    }
    let inspected = inspector.finish()?;
    ui.show(&Told::new(version, aliases).with(inspected.tensors, inspected.statistics))
}
