//! `mer weights remove` and `mer weights gc`.

use std::time::Duration;

use mer_core::Which;
use mer_service::weights;
use serde::Serialize;

use crate::{
    app::App,
    cli::{CommandLine, WeightsGcArgs, WeightsRemoveArgs},
    errors::CliError,
    ui::{Format, Ui, counted},
};

/// Stands for `none`: longer than any database exists, and a time that all of them can calculate with.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// What was removed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Removed<'a> {
    action: &'static str,
    model: &'a str,
    version: u64,
}

/// Removes a version.
pub(super) async fn remove(
    app: &App,
    args: &WeightsRemoveArgs,
    ui: Ui,
    command_line: &CommandLine,
) -> Result<(), CliError> {
    let selector = &args.selector;
    let Which::Version(number) = selector.which else {
        return Err(CliError::usage(format!("`{selector}` names no version of its own"))
            .hint(format!("write `mer weights remove {}:VERSION`", selector.model)));
    };
    app.check_changes_allowed(command_line)?;
    weights::remove(&app.runtime, &selector.model, number, args.force).await?;
    if ui.format() == Format::Json {
        return ui.json(&Removed { action: "removed", model: &selector.model, version: number });
    }
    ui.note(&format!("removed `{selector}`; `mer weights gc` frees its bytes"));
    Ok(())
}

/// Removes the bytes that no version has.
pub(super) async fn gc(app: &App, args: &WeightsGcArgs, ui: Ui) -> Result<(), CliError> {
    let silent = args.silent.duration().unwrap_or(FOREVER);
    let collected = weights::collect_garbage(&app.runtime, silent).await?;
    if ui.format() == Format::Json {
        return ui.json(&collected);
    }
    let freed = counted(collected.bytes, "byte");
    ui.note(&format!("cleared away {freed} in {}", counted(collected.chunks, "chunk")));
    Ok(())
}
