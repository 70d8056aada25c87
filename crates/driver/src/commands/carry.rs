//! Carries the output of a run out of this process.

use std::time::Duration;

use bytes::Bytes;
use mer_meal::{Cancel, CancelLevel};
use mer_scheduler::{ConfirmationSender, OutputFailure};
use tokio::sync::mpsc;

use crate::{errors::CliError, io::Sink};

/// Maximum number of chunks that wait for their reader.
pub(super) const QUEUE: usize = 4;
/// Maximum number of chunks of diagnostics that wait; further ones are only in the log.
pub(super) const STDERR_QUEUE: usize = 64;

/// Bound on showing the rest of the diagnostics after a signal.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// Writes chunks as they come, and confirms that all have arrived before the run is judged. A file gets its name only if the
/// model succeeded. If the sink fails, no more chunks are taken, which cancels the run.
///
/// Returns the bytes of a sink in memory.
///
/// # Errors
/// Those of the sink.
pub(super) async fn pour(
    mut chunks: mpsc::Receiver<Bytes>,
    mut sink: Sink,
    confirmation: ConfirmationSender,
) -> Result<Vec<u8>, CliError> {
    let poured = confirmation.confirm(async move |asked| {
        let mut failed = None;
        while let Some(chunk) = chunks.recv().await {
            if let Err(error) = sink.put(chunk).await {
                failed = Some(error);
                break;
            }
        }
        drop(chunks);
        let keep = asked.get().await;
        let poured = match failed {
            None => sink.finish(keep).await,
            Some(error) => Err(error),
        };
        let told = poured.as_ref().map(drop).map_err(undelivered);
        (poured, told)
    });
    // The run was given up before all of its output was taken.
    poured.await.unwrap_or_else(|| Ok(Vec::new()))
}

/// Writes bytes to standard output. May be dropped while it waits for the reader.
///
/// # Errors
/// Those of standard output.
pub(super) async fn write_stdout(bytes: Vec<u8>) -> Result<(), CliError> {
    let mut out = Sink::stdout()?;
    out.put(bytes.into()).await?;
    out.finish(true).await.map(drop)
}

fn undelivered(error: &CliError) -> OutputFailure {
    OutputFailure { kind: error.kind(), message: error.in_one_line() }
}

/// Shows a model's diagnostics as they come. A failure to show them does not end the run, and a slow reader does not delay a
/// signal.
pub(super) async fn show(mut diagnostics: mpsc::Receiver<Bytes>, cancel: &Cancel) {
    let Ok(mut sink) = Sink::stderr() else { return };
    let shown = async {
        while let Some(chunk) = diagnostics.recv().await {
            if sink.put(chunk).await.is_err() {
                return;
            }
        }
        let _ = sink.finish(true).await;
    };
    let given_up = async {
        cancel.reached(CancelLevel::Cancel).await;
    };
    tokio::pin!(shown);
    tokio::select! {
        biased;
        () = &mut shown => return,
        () = given_up => {}
    }
    let _ = tokio::time::timeout(LAST_WORDS, shown).await;
}
