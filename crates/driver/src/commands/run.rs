//! `mer run`.

use mer_meal::{Cancel, Input};
use mer_scheduler::{Output, OutputConfirmation, Retention};
use mer_service::RunRequest;
use tokio::sync::mpsc;

use crate::{
    app::App,
    cli::{RunArgs, selector},
    commands::{
        detach,
        hooks::Ended,
        keep_hint,
        run_failure::failure,
        run_output::{QUEUE, RunJson, STDERR_QUEUE, show_diagnostics, write_output, write_stdout},
        weights,
        with_artefacts::run_with_artefacts,
    },
    engine::AskResident,
    errors::{CliError, outcome_hint},
    io::{Origin, OutputFile, Sink, file_for, within},
    ui::{Format, Ui},
};

/// Runs a model once. The exit code says how the run ended, and the failure is printed to stderr. `ended` gets what is on
/// record.
pub(crate) async fn run(
    app: &App,
    args: &RunArgs,
    input: Input,
    (ui, origin): (Ui, Origin),
    ended: &mut Ended,
) -> Result<u8, CliError> {
    if args.detach {
        return detach::detach(app, (&args.request, args.retries), input, None, ui).await;
    }
    if let Some(folder) = &args.artefacts {
        return run_with_artefacts(app, (&args.request, folder), input, None, ui, ended).await;
    }
    let selector = selector(&args.request.model)?;
    let name = &args.request.model;
    let cancel = Cancel::new();
    let diagnostics_wanted = ui.format() == Format::Text;
    let request = RunRequest {
        sender: None,
        server: args.request.server.as_deref(),
        input,
        timeout: args.request.timeout,
        hashes: app.settings.hashes && !args.request.no_hash,
        // A command line ends with its run; further lines may want the process again.
        keep: if origin == Origin::Line { Retention::WhileHere } else { Retention::No },
        retries: args.retries,
        retry_failed: args.retry_failed,
        priority: args.request.priority,
        batch_uid: None,
        tags: args.request.tags()?,
        cancel: cancel.clone(),
        watch: app.watch(),
        progress: weights::progress(ui),
        attempts: None,
    };
    let asks = if args.no_serve { AskResident::No } else { AskResident::Yes { diagnostics: diagnostics_wanted } };
    let preparing = app.engine.prepare(&app.runtime, (name, &selector), &request, asks);
    let prepared = app.signals.unless_ended(preparing).await?;
    let is_here = prepared.is_here();
    let (stdout, chunks) = mpsc::channel(QUEUE);
    let (stderr, diagnostics) = mpsc::channel(STDERR_QUEUE);
    let sink = match (file_for(args.output.as_ref()), ui.format()) {
        (Some(file), _) => {
            let opened = within(args.request.timeout, OutputFile::create(file), || {
                format!("the output file `{}` could be opened", file.display())
            });
            let _wait =
                app.show_wait(|| format!("waiting for the output file `{}` (Ctrl-C ends the wait)", file.display()));
            Sink::File(app.signals.unless_ended(opened).await?)
        }
        (None, Format::Json) => Sink::Memory(Vec::new()),
        (None, _) => Sink::stdout()?,
    };
    let watched = diagnostics_wanted.then_some(stderr);
    let work = async {
        let (confirmation, sender) = OutputConfirmation::new();
        let run = prepared.run(app, &selector.model, request, Output { stdout, stderr: watched }, confirmation);
        tokio::join!(run, write_output(chunks, sink, sender), show_diagnostics(diagnostics, &cancel))
    };
    let ((outcome, written, ()), signal) =
        app.signals.cancel_on_signal(&cancel, || app.show_end_wait(&selector.model), work).await;
    let outcome = outcome.map_err(|error| error.cancelled_by(signal))?;
    *ended = Ended::run(&outcome.access);
    // A reader that has gone is the cause of the cancelled run, not its result.
    let bytes = written?;
    if ui.format() == Format::Json {
        // Printed when the run is on record: a caller that has read it finds the run in the log, whatever ends this process.
        let line = ui.json_line(&RunJson::new(&outcome.access, &bytes, args.output.is_none()))?;
        app.signals.unless_ended(write_stdout(line)).await?;
    }
    if is_here {
        app.runtime.after_run().await;
    }
    keep_hint::show(app, &outcome, is_here, ui);
    if outcome.succeeded() {
        return Ok(0);
    }
    let error = failure(&outcome, signal, outcome_hint(&outcome), ui);
    Err(match outcome.model_exit_code() {
        Some(code) if args.passthrough => error.with_model_exit_code(code),
        _ => error,
    })
}
