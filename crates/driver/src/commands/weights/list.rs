//! `mer weights list`.

use super::{find, version_view::Told};
use crate::{app::App, cli::WeightsListArgs, commands::change::in_session, errors::CliError, ui::Ui};

/// The versions of one model or of all, each with the aliases that mean it.
pub(super) async fn list(app: &App, args: &WeightsListArgs, ui: Ui) -> Result<(), CliError> {
    let told = in_session(app, async |store| {
        let models = match &args.model {
            Some(name) => vec![find::model(store, name).await?],
            None => store.models().await?,
        };
        let named = store.named_versions(&models).await?;
        let mut told = Vec::new();
        for model in &models {
            for version in store.versions(model).await? {
                let mine =
                    named.iter().filter(|(alias, _)| alias.model == model.name && alias.version == version.version);
                let aliases = mine.map(|(alias, _)| alias.name.clone()).collect();
                told.push(Told::new(version, aliases));
            }
        }
        Ok(told)
    })
    .await?;
    ui.list(&told)
}
