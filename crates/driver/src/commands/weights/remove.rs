//! `mer weights remove` and `mer weights gc`.

use std::time::Duration;

use mer_core::Which;
use mer_dal::collect_garbage;
use serde::Serialize;

use super::find;
use crate::{
    app::App,
    cli::{Typed, WeightsGcArgs, WeightsRemoveArgs},
    commands::{change::in_session, train},
    errors::CliError,
    ui::{Format, Ui, counted},
};

/// Stands for `none`: longer than any database has been there, and a time that all of them can reckon with.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// What was removed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Removed<'a> {
    action: &'static str,
    model: &'a str,
    version: u64,
}

/// Removes a version. What is in the journal is known to the log first: it may mention the version.
pub(super) async fn remove(app: &App, args: &WeightsRemoveArgs, ui: Ui, typed: &Typed) -> Result<(), CliError> {
    let selector = &args.selector;
    let Which::Version(number) = selector.which else {
        return Err(CliError::usage(format!("`{selector}` names no version of its own"))
            .hint(format!("write `mer weights remove {}:VERSION`", selector.model)));
    };
    app.check_changes_allowed(typed)?;
    let caller = app.runtime.caller().name.clone();
    let (session, _) = app.runtime.session().await?.drain().await?;
    session.close().await?;
    in_session(app, async |store| {
        let model = find::model(store, &selector.model).await?;
        find::named(store, &model, &selector.which).await?;
        Ok(store.remove_version(&model, number, args.force, &caller).await?)
    })
    .await?;
    if ui.format() == Format::Json {
        return ui.json(&Removed { action: "removed", model: &selector.model, version: number });
    }
    ui.note(&format!("removed `{selector}`; `mer weights gc` frees its bytes"));
    Ok(())
}

/// Clears away what no version has.
pub(super) async fn gc(app: &App, args: &WeightsGcArgs, ui: Ui) -> Result<(), CliError> {
    // The schema must be there.
    app.runtime.session().await?.close().await?;
    train::clear(&app.settings.data_dir.join(train::FOLDER));
    let silent = args.silent.duration().unwrap_or(FOREVER);
    let collected = collect_garbage(app.runtime.database(), silent).await?;
    if ui.format() == Format::Json {
        return ui.json(&collected);
    }
    let freed = counted(collected.bytes, "byte");
    ui.note(&format!("cleared away {freed} in {}", counted(collected.chunks, "chunk")));
    Ok(())
}
