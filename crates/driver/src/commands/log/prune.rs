//! `mer log prune`.

use jiff::Timestamp;
use mer_core::micros_where_known;
use mer_dal::{PruneRange, Pruned};
use mer_service::log;
use serde::Serialize;

use super::filter::time_zone;
use crate::{
    app::App,
    cli::LogPruneArgs,
    errors::CliError,
    ui::{Format, Ui, counted},
};

/// The JSON of a prune.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PruneView {
    dry_run: bool,
    rows: u64,
    #[serde(serialize_with = "micros_where_known")]
    oldest: Option<Timestamp>,
    #[serde(serialize_with = "micros_where_known")]
    newest: Option<Timestamp>,
}

/// Deletes old accesses.
pub(super) async fn prune(app: &App, args: &LogPruneArgs, ui: Ui) -> Result<(), CliError> {
    let now = Timestamp::now();
    let before = args.older_than.timestamp(now, &time_zone(app, args.utc))?;
    if before > now {
        return Err(CliError::usage(format!("`--older-than` is {before:.0}, which is in the future"))
            .hint("write how long ago, such as `90d`, or a day such as `2026-05-04`"));
    }
    let line = ui.progress_line();
    let progress = |pruned: &Pruned| {
        if let Some(line) = &line {
            line.show(|| format!("{} so far", counted(pruned.rows, "access")));
        }
    };
    let range = PruneRange { before, keep: args.keep };
    let pruned = log::prune(&app.runtime, range, args.dry_run, progress).await;
    if let Some(line) = &line {
        line.clear();
    }
    let Pruned { rows, oldest, newest } = pruned?;
    if ui.format() == Format::Json {
        return ui.json(&PruneView { dry_run: args.dry_run, rows, oldest, newest });
    }
    let verb = if args.dry_run { "would delete" } else { "deleted" };
    let times = match (oldest, newest) {
        (Some(oldest), Some(newest)) => format!(", begun from {oldest:.0} to {newest:.0}"),
        _ => String::new(),
    };
    ui.note(&format!("{verb} {}{times}", counted(rows, "access")));
    Ok(())
}
