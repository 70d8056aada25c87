//! `mer run`.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use mer_core::{Access, AccessKind, Status};
use mer_meal::{Cancel, Input};
use mer_scheduler::{Outcome, Output, OutputConfirmation, Request};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::{
    app::{App, Signal},
    cli::{RunArgs, selector},
    commands::{
        carry::{QUEUE, STDERR_QUEUE, pour, show, to_stdout},
        weights,
    },
    errors::{CliError, Kind},
    io::{Origin, OutputFile, Sink, file_for, within},
    ui::{Format, Ui},
};

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
pub(crate) async fn run(app: &App, args: &RunArgs, input: Input, ui: Ui, origin: Origin) -> Result<u8, CliError> {
    let selector = selector(&args.request.model)?;
    let view = app.signals.or_ended(app.view_of(&selector.model)).await?;
    let model = view.model(&selector.model)?;
    let weights = app.signals.or_ended(weights::for_run(app, &view, &selector, ui)).await?;
    let cancel = Cancel::new();
    let (stdout, chunks) = mpsc::channel(QUEUE);
    let (stderr, diagnostics) = mpsc::channel(STDERR_QUEUE);
    let sink = match (file_for(args.output.as_ref()), ui.format()) {
        (Some(file), _) => {
            let opened = within(args.request.timeout, OutputFile::create(file), || {
                format!("the output file `{}` could be opened", file.display())
            });
            let _told =
                app.telling(|| format!("waiting for the output file `{}` (Ctrl-C ends the wait)", file.display()));
            Sink::File(app.signals.or_ended(opened).await?)
        }
        (None, Format::Json) => Sink::Memory(Vec::new()),
        (None, _) => Sink::stdout()?,
    };
    let watched = (ui.format() == Format::Text).then_some(stderr);
    let request = Request {
        model,
        servers: &view.servers,
        pinned: args.request.server.as_deref(),
        kind: AccessKind::Infer,
        weights,
        input,
        timeout: args.request.timeout,
        // A command line is over with its run; other lines may want the process again.
        keep: origin == Origin::Line,
        cancel: cancel.clone(),
        watch: app.watch(),
        hashes: app.settings.hashes && !args.request.no_hash,
    };
    app.moves_records(&view);
    let work = async {
        let (delivery, receipt) = OutputConfirmation::new();
        let run = app.scheduler(&view).run(request, Output { stdout, stderr: watched }, delivery);
        tokio::join!(run, pour(chunks, sink, receipt), show(diagnostics, &cancel))
    };
    let ((outcome, poured, ()), signal) =
        app.signals.cancelling(&cancel, || app.telling_of_end(&model.name), work).await;
    let outcome = outcome?;
    // A reader that has gone is the reason for the cancelled run, and not the other way round.
    let bytes = poured?;
    if ui.format() == Format::Json {
        // Told when it is on record: a caller that has read it finds the run in the log, whatever ends this process.
        let line = ui.json_line(&RunJson::new(&outcome.access, &bytes, args.output.is_none()))?;
        app.signals.or_ended(to_stdout(line)).await?;
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

/// The sentence about a run that did not succeed.
pub(super) fn told(outcome: &Outcome, code: u8, signal: Option<Signal>, ui: Ui) -> CliError {
    let Access { model, server, status, error, request_uid, stderr_tail, .. } = &outcome.access;
    let mut why = error.clone().unwrap_or_else(|| "it did not succeed".to_owned());
    if let (Status::Cancelled, Some(signal)) = (status, signal) {
        let rest = why.strip_prefix("cancelled").unwrap_or_default();
        why = format!("cancelled by {signal}{rest}");
    }
    if outcome.access.kind == AccessKind::Train {
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
