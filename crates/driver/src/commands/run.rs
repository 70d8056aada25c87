//! `mer run`.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use mer_core::{Access, Kind as Purpose, Status};
use mer_meal::Cancel;
use mer_scheduler::{Outcome, Output, Request};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::{
    app::{App, Origin, OutputFile, Signal, Sink, Source, file_for},
    cli::{RunArgs, selector},
    commands::weights,
    error::{CliError, Kind},
    ui::{Format, Ui},
};

/// Chunks that may wait for their reader.
pub(super) const QUEUE: usize = 4;
/// Chunks of diagnostics that may wait; beyond that they are only in the log.
pub(super) const STDERR_QUEUE: usize = 64;

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
    /// `shown`: whether the output is to be in it, and in no file.
    pub(super) fn new(access: &'a Access, bytes: &'a [u8], shown: bool) -> Self {
        let text = std::str::from_utf8(bytes);
        let output_base64 = text.is_err().then(|| BASE64_STANDARD.encode(bytes));
        Self { access, output: text.ok().filter(|_| shown), output_base64 }
    }
}

/// Runs a model once. The exit code is the model's verdict; what it is about goes to stderr.
pub(crate) async fn run(app: &App, args: &RunArgs, source: Source, ui: Ui, origin: Origin) -> Result<u8, CliError> {
    let selector = selector(&args.request.model)?;
    let view = app.signals.or_ended(app.view_of(&selector.model)).await?;
    let model = view.model(&selector.model)?;
    let weights = app.signals.or_ended(weights::for_run(app, &view, &selector, ui)).await?;
    let failure = source.failure();
    let cancel = Cancel::new();
    let (stdout, chunks) = mpsc::channel(QUEUE);
    let (stderr, diagnostics) = mpsc::channel(STDERR_QUEUE);
    let sink = match (file_for(args.output.as_ref()), ui.format()) {
        (Some(file), _) => Sink::File(OutputFile::create(file)?),
        (None, Format::Json) => Sink::Memory(Vec::new()),
        (None, _) => Sink::stdout()?,
    };
    let watched = (ui.format() == Format::Text).then_some(stderr);
    let request = Request {
        model,
        servers: &view.servers,
        pinned: args.request.server.as_deref(),
        kind: Purpose::Infer,
        weights,
        input: source.input,
        timeout: args.request.timeout,
        // A command line is over with its run; other lines may want the process again.
        keep: origin == Origin::Line,
        cancel: cancel.clone(),
        hashes: app.settings.hashes && !args.request.no_hash,
    };
    app.moves_records(&view);
    let work = async {
        let run = app.scheduler(&view).run(request, Output { stdout, stderr: watched });
        tokio::join!(run, pour(chunks, sink), show(diagnostics))
    };
    let ((outcome, poured, ()), signal) = app.signals.cancelling(&cancel, work).await;
    let outcome = outcome?;
    failure.check()?;
    let (sink, poured) = poured;
    // A reader that has gone is the reason for the cancelled run, and not the other way round.
    poured?;
    let bytes = sink.finish(outcome.succeeded()).await?;
    if ui.format() == Format::Json {
        ui.json(&RunJson::new(&outcome.access, &bytes, args.output.is_none()))?;
    }
    app.after_run().await;
    if outcome.succeeded() {
        return Ok(0);
    }
    let code = match signal {
        Some(signal) if outcome.code == Kind::Interrupted.code() => signal.code(),
        _ if args.passthrough => outcome.passthrough_code(),
        _ => outcome.code,
    };
    Err(told(&outcome, code, signal, ui))
}

/// Writes chunks as they come. Gives the sink back, and what went wrong with it: then nobody takes chunks any more, which
/// cancels the run.
pub(super) async fn pour(mut chunks: mpsc::Receiver<Bytes>, mut sink: Sink) -> (Sink, Result<(), CliError>) {
    while let Some(chunk) = chunks.recv().await {
        if let Err(error) = sink.put(chunk).await {
            return (sink, Err(error));
        }
    }
    (sink, Ok(()))
}

/// Shows a model's diagnostics as they come. That they cannot be shown is no reason to end the run.
pub(super) async fn show(mut diagnostics: mpsc::Receiver<Bytes>) {
    let Ok(mut sink) = Sink::stderr() else { return };
    while let Some(chunk) = diagnostics.recv().await {
        if sink.put(chunk).await.is_err() {
            return;
        }
    }
    let _ = sink.finish(true).await;
}

/// The sentence about a run that did not succeed.
pub(super) fn told(outcome: &Outcome, code: u8, signal: Option<Signal>, ui: Ui) -> CliError {
    let Access { model, server, status, error, request_uid, stderr_tail, .. } = &outcome.access;
    let mut why = error.clone().unwrap_or_else(|| "it did not succeed".to_owned());
    if let (Status::Cancelled, Some(signal)) = (status, signal) {
        let rest = why.strip_prefix("cancelled").unwrap_or_default();
        why = format!("cancelled by {signal}{rest}");
    }
    if outcome.access.kind == Purpose::Train {
        why.push_str("; no version was made");
    }
    let mut told = CliError::new(Kind::of_code(code), format!("`{model}` on `{server}`: {why}"));
    if ui.format() == Format::Quiet && !stderr_tail.is_empty() {
        told = told.saying(stderr_tail);
    }
    if let Some(hint) = &outcome.hint {
        told = told.hint(hint);
    }
    told.hint(format!("`mer log show {request_uid}` has all that is known of this run"))
}
