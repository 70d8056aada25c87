//! What is said at the end of a batch.

use mer_batch::{BatchEnd, HaltWhen, Summary};
use mer_core::{Classified as _, FailureKind};
use serde_json::json;
use uuid::Uuid;

use super::display::{Display, counts, in_words};
use crate::{
    cli::CommandLine,
    errors::CliError,
    signal::Signal,
    ui::{Format, Ui, counted},
};

/// The end of a batch.
pub(super) struct Ending<'a> {
    pub(super) summary: Summary,
    /// The signal that stopped it.
    pub(super) signal: Option<Signal>,
    pub(super) batch_uid: Uuid,
    /// Whether its results went to a file or a folder, so that standard output is free.
    pub(super) has_file: bool,
    pub(super) command_line: &'a CommandLine,
}

impl Ending<'_> {
    /// Returns the summary as JSON.
    pub(super) fn json(&self) -> serde_json::Value {
        let mut object = counts(&self.summary.progress);
        object["batchUid"] = json!(self.batch_uid);
        object["seconds"] = json!(self.summary.elapsed.as_secs_f64());
        object
    }

    /// Writes the summary. Returns the exit code.
    ///
    /// # Errors
    /// Items failed (1), or what ended the batch before its last item.
    pub(super) fn tell(self, display: &Display, ui: Ui) -> Result<u8, CliError> {
        let summary_json = self.json();
        let Self { summary, signal, batch_uid, has_file, command_line } = self;
        let Summary { progress, elapsed, end, is_resumable, .. } = summary;
        display.last(&progress);
        let done = progress.succeeded + progress.failed;
        let total = progress.total.filter(|total| *total > done);
        let items =
            total.map_or_else(|| counted(done, "item"), |total| format!("{done} of {}", counted(total, "item")));
        // A reader that has gone wants to know no more.
        let is_wanted = !matches!(&end, BatchEnd::Failed(error) if error.failure_kind() == FailureKind::ReaderGone);
        if is_wanted {
            ui.note(&format!("{}; batch {batch_uid}", summary_line(&items, &progress, elapsed)));
        }
        if ui.format() == Format::Json && has_file {
            ui.json(&summary_json)?;
        }
        let resume = || format!("`mer {}` goes on with it", command_line.resuming("batch", &["--resume"]));
        let failed = |error: CliError| {
            let error = match display.has_unfit() {
                true => error.hint("answers of several lines or with NUL bytes need `--json` or `--outdir DIR`"),
                false => error,
            };
            match progress.failed {
                0 => error,
                _ => error.hint(format!("`mer log list --batch {batch_uid}` shows its runs, with those that failed")),
            }
        };
        let error = match end {
            BatchEnd::Complete if progress.failed == 0 => return Ok(0),
            BatchEnd::Complete => {
                let message = format!("{} of {items} failed", progress.failed);
                let error = failed(CliError::new(FailureKind::ModelFailed, message));
                return Err(match is_resumable {
                    true => {
                        let line = command_line.resuming("batch", &["--resume", "--retry-failed"]);
                        error.hint(format!("`mer {line}` runs them again"))
                    }
                    false => error,
                });
            }
            BatchEnd::Halted(halt) => {
                let ended = if halt.when == HaltWhen::Now { "; what ran was ended" } else { "" };
                if progress.failed == 0 {
                    ui.note(&format!("halted after {items}, as `--halt` says{ended}"));
                    return Ok(0);
                }
                let message = format!("{} failed, and the batch was halted after {items}{ended}", progress.failed);
                failed(CliError::new(FailureKind::ModelFailed, message))
            }
            BatchEnd::Stopped(_) => match signal {
                Some(signal) => CliError::by_signal(signal, format!("stopped by {signal} after {items}")),
                None => CliError::new(FailureKind::Cancelled, format!("stopped after {items}")),
            },
            BatchEnd::Failed(error) => CliError::from(error),
        };
        Err(if is_resumable { error.go_on_hint(resume()) } else { error })
    }
}

fn summary_line(items: &str, progress: &mer_batch::Progress, elapsed: std::time::Duration) -> String {
    let mut line = format!("{items}: {} succeeded, {} failed", progress.succeeded, progress.failed);
    if progress.kept > 0 {
        line.push_str(&format!(", {} of them before", progress.kept));
    }
    let run = (progress.succeeded + progress.failed).saturating_sub(progress.kept);
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no more digits")]
    let rate = run as f64 / elapsed.as_secs_f64().max(0.001);
    line.push_str(&format!("; {} ({rate:.1}/s)", in_words(elapsed)));
    line
}
