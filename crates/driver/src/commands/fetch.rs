//! `mer fetch`.

use mer_meal::Cancel;
use mer_service::detached::FetchScope;
use serde::Serialize;

use crate::{
    app::App,
    cli::FetchArgs,
    errors::CliError,
    ui::{Format, Ui, counted},
};

/// The JSON of what was fetched.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FetchedJson {
    request_uid: uuid::Uuid,
    folder: String,
    files: u64,
    bytes: u64,
}

/// Brings what a detached run left: its output, its diagnostics and its artefacts.
pub(super) async fn fetch(app: &App, args: &FetchArgs, ui: Ui) -> Result<(), CliError> {
    // Collects it, if it is over.
    app.runtime.collect_detached().await;
    let found = app.runtime.find_detached(&args.uid).await?;
    let uid = found.uid();
    let folder = args.folder.clone().unwrap_or_else(|| uid.to_string().into());
    let cancel = Cancel::new();
    let fetched = app.runtime.fetch_detached(&found, FetchScope::All, &folder, &cancel).await?;
    if ui.format() == Format::Json {
        let folder = folder.display().to_string();
        return ui.json(&FetchedJson { request_uid: uid, folder, files: fetched.files, bytes: fetched.bytes });
    }
    ui.note(&format!("fetched {} of the run `{uid}` into `{}`", counted(fetched.files, "file"), folder.display()));
    Ok(())
}
