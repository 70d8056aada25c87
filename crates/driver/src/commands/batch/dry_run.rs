//! What a batch would do.

use mer_batch::{Batch, BatchError, DryRun};
use serde::Serialize;

use crate::{
    app::App,
    errors::CliError,
    ui::{Details, Format, Ui, counted},
};

/// Says what a batch would run, and runs nothing.
///
/// # Errors
/// The batch could not begin, or its input is not usable; a signal came while the input was read.
pub(super) async fn dry_run(app: &App, batch: Batch, ui: Ui) -> Result<(), CliError> {
    let _wait = app.show_wait(|| "reading the input (Ctrl-C ends it)".to_owned());
    // `--json` is the format of what is said here, and need not be that of the results.
    let any_format = ui.format() == Format::Json;
    let reading = async {
        let read = tokio::task::spawn_blocking(move || batch.dry_run(any_format)).await;
        Ok::<_, CliError>(read.unwrap_or(Err(BatchError::TaskLost))?)
    };
    let counts = app.signals.unless_ended(reading).await?;
    ui.show(&Plan::from(counts))
}

/// What a batch would do, as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Plan {
    items: u64,
    bytes: u64,
    to_run: u64,
    kept: u64,
    kept_failed: u64,
    dropped: u64,
    repeated: u64,
    faulty: u64,
}

impl From<DryRun> for Plan {
    fn from(counts: DryRun) -> Self {
        let DryRun { items, bytes, faulty, repeated, kept, kept_failed, to_run, dropped } = counts;
        Self { items, bytes, to_run, kept, kept_failed, dropped, repeated, faulty }
    }
}

impl Details for Plan {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let kept = match self.kept_failed {
            0 => self.kept.to_string(),
            failed => format!("{}, {failed} of them failed", self.kept),
        };
        vec![
            ("items", self.items.to_string()),
            ("input", counted(self.bytes, "byte")),
            ("to run", self.to_run.to_string()),
            ("kept results", kept),
            ("dropped results", self.dropped.to_string()),
            ("repeated items", self.repeated.to_string()),
            ("faulty items", self.faulty.to_string()),
        ]
    }
}
