//! The output of a run: its bytes, its diagnostics and its JSON.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use mer_core::Access;
use mer_meal::{Cancel, CancelLevel};
use mer_scheduler::{ConfirmationSender, OutputFailure};
use serde::Serialize;
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
pub(super) async fn write_output(
    mut chunks: mpsc::Receiver<Bytes>,
    mut sink: Sink,
    confirmation: ConfirmationSender,
) -> Result<Vec<u8>, CliError> {
    let written = confirmation.confirm(async move |asked| {
        let mut failed = None;
        while let Some(chunk) = chunks.recv().await {
            if let Err(error) = sink.put(chunk).await {
                failed = Some(error);
                break;
            }
        }
        drop(chunks);
        let keep = asked.get().await;
        let written = match failed {
            None => sink.finish(keep).await,
            Some(error) => Err(error),
        };
        let result = written.as_ref().map(drop).map_err(output_failure);
        (written, result)
    });
    // The run was given up before all of its output was taken.
    written.await.unwrap_or_else(|| Ok(Vec::new()))
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

fn output_failure(error: &CliError) -> OutputFailure {
    OutputFailure { kind: error.kind(), message: error.in_one_line() }
}

/// Shows a model's diagnostics as they come. A failure to show them does not end the run, and a slow reader does not delay a
/// signal.
pub(super) async fn show_diagnostics(mut diagnostics: mpsc::Receiver<Bytes>, cancel: &Cancel) {
    let shown = async {
        // Most runs have none.
        let Some(mut chunk) = diagnostics.recv().await else { return };
        let Ok(mut sink) = Sink::stderr() else { return };
        loop {
            if sink.put(chunk).await.is_err() {
                return;
            }
            let Some(next) = diagnostics.recv().await else { break };
            chunk = next;
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

/// The JSON of a run: what is on record, and the output.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunJson<'a> {
    #[serde(flatten)]
    access: &'a Access,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_base64: Option<String>,
}

impl<'a> RunJson<'a> {
    /// `with_output`: whether the output is part of the JSON, as it goes to no file.
    pub(super) fn new(access: &'a Access, bytes: &'a [u8], with_output: bool) -> Self {
        let text = std::str::from_utf8(bytes);
        let output_base64 = text.is_err().then(|| BASE64_STANDARD.encode(bytes));
        Self { access, output: text.ok().filter(|_| with_output), output_base64 }
    }
}
