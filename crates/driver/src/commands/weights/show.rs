//! `mer weights show`.

use mer_core::WeightsVersion;
use mer_dal::Download;
use mer_weights::{Given, Inspected, Inspector, WeightsError};

use super::{find, version_view::Told};
use crate::{app::App, cli::WeightsShowArgs, errors::CliError, ui::Ui};

/// All that is known of a version. Its bytes are read once, for statistics.
pub(super) async fn show(app: &App, args: &WeightsShowArgs, ui: Ui) -> Result<(), CliError> {
    let (version, aliases) = find::version(app, &args.selector).await?;
    if args.no_statistics {
        return ui.show(&Told::new(version, aliases));
    }
    match look(app, &version).await? {
        Ok(found) => ui.show(&Told::new(version, aliases).with(found.tensors, found.statistics)),
        // An older MER took what no reader opens. That is no reason not to show what is known.
        Err(error) => {
            tracing::warn!("what the bytes of `{version}` are like cannot be told: {error}");
            ui.show(&Told::new(version, aliases))
        }
    }
}

/// Reads all of its bytes; inside, what is wrong with them.
async fn look(app: &App, version: &WeightsVersion) -> Result<Result<Inspected, WeightsError>, CliError> {
    // Of the formats with a header the header says it.
    let given = Given { dtype: Some(version.dtype), shape: version.shape.clone() };
    let mut inspector = match Inspector::new(version.format, given) {
        Ok(inspector) => inspector,
        Err(error) => return Ok(Err(error)),
    };
    let mut download = Download::new(app.runtime.database(), version);
    while let Some(bytes) = download.next().await? {
        if let Err(error) = inspector.feed(&bytes) {
            download.close().await?;
            return Ok(Err(error));
        }
    }
    Ok(inspector.finish())
}
