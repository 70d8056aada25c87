//! `mer train`.

mod put_line;

use mer_core::FailureKind;
use mer_meal::{Cancel, Input};
use mer_scheduler::{Outcome, Output, OutputConfirmation, Retention, Training as Trained};
use mer_service::{
    ModelHost as _, ResolvedModel, RunRequest,
    train::{NoVersion, TrainOptions, Training},
};
use serde::Serialize;
use tokio::sync::mpsc;

use self::put_line::{Kept, put_line};
use super::{
    detach::detach,
    hooks::Ended,
    run_failure::failure,
    run_output::{QUEUE, RunJson, STDERR_QUEUE, show_diagnostics, write_output},
    weights::{VersionView, progress},
    with_artefacts::run_with_artefacts,
};
use crate::{
    app::App,
    cli::{CommandLine, TrainArgs, selector},
    errors::{CliError, outcome_hint},
    io::Sink,
    ui::{Format, Ui},
};

/// The JSON of a training that made a version.
#[derive(Serialize)]
struct TrainJson<'a> {
    #[serde(flatten)]
    run: RunJson<'a>,
    weights: &'a VersionView,
}

/// Trains a model once. What it wrote becomes the next version, if all went well; the access says which. `ended` gets what is on
/// record.
pub(super) async fn train(
    app: &App,
    args: &TrainArgs,
    input: Input,
    (ui, command_line): (Ui, &CommandLine),
    ended: &mut Ended,
) -> Result<u8, CliError> {
    let selector = selector(&args.request.model)?;
    if args.promote {
        app.check_changes_allowed(command_line)?;
    }
    if let Some(folder) = &args.artefacts {
        let options = TrainOptions { promote: args.promote, note: args.note.clone() };
        let request = (&args.request, folder.as_path());
        return run_with_artefacts(app, request, input, Some(options), ui, ended).await;
    }
    if args.detach {
        let options = TrainOptions { promote: args.promote, note: args.note.clone() };
        return detach(app, (&args.request, args.retries), input, Some(options), ui).await;
    }
    let model = app.signals.unless_ended(async { Ok(app.model_host().resolve(&selector).await?) }).await?;
    let options = TrainOptions { promote: args.promote, note: args.note.clone() };
    let training = Training::new(&app.runtime, &model, options)?;
    let cancel = Cancel::new();
    let (stdout, chunks) = mpsc::channel(QUEUE);
    let (stderr, diagnostics) = mpsc::channel(STDERR_QUEUE);
    let sink = match ui.format() {
        Format::Json => Sink::Memory(Vec::new()),
        _ => Sink::stdout()?,
    };
    let request = RunRequest {
        server: args.request.server.as_deref(),
        input,
        timeout: args.request.timeout,
        hashes: app.settings.hashes && !args.request.no_hash,
        keep: Retention::No,
        sender: None,
        retries: 0,
        retry_failed: false,
        priority: args.request.priority,
        batch_uid: None,
        tags: args.request.tags()?,
        cancel: cancel.clone(),
        watch: app.watch(),
        progress: progress(ui),
        attempts: None,
    };
    let (confirmation, sender) = OutputConfirmation::new();
    let watched = (ui.format() == Format::Text).then_some(stderr);
    let run = training.run(request, Output { stdout, stderr: watched }, confirmation);
    let work = async { tokio::join!(run, write_output(chunks, sink, sender), show_diagnostics(diagnostics, &cancel)) };
    let ((trained, poured, ()), signal) =
        app.signals.cancel_on_signal(&cancel, || app.show_end_wait(&model.model().name), work).await;
    let mut interruption = signal;
    let (kept, bytes) = match (trained?, poured) {
        (Trained::Over(outcome), Err(error)) => {
            *ended = Ended::run(&outcome.access);
            return Err(error);
        }
        (Trained::Over(outcome), Ok(bytes)) => (Err((outcome_hint(&outcome), *outcome)), bytes),
        (Trained::Trained(trained), Err(error)) => {
            let rejected = training.reject(*trained, error.kind(), error.in_one_line()).await;
            *ended = Ended::run(&rejected.outcome.access);
            return Err(error);
        }
        (Trained::Trained(trained), Ok(bytes)) => {
            let kept = match signal {
                // A cancelled training makes no version.
                Some(_) => Err(training.reject(*trained, FailureKind::Cancelled, String::new()).await),
                None => training.make_version(*trained, async { interruption = Some(app.signals.next().await) }).await,
            };
            (kept.map_err(|failed| not_kept(&model, args, failed)), bytes)
        }
    };
    app.runtime.after_run().await;
    let (outcome, named) = match kept {
        Ok(kept) => kept,
        Err((hint, outcome)) => {
            *ended = Ended::run(&outcome.access);
            if ui.format() == Format::Json {
                ui.json(&RunJson::new(&outcome.access, &bytes, true))?;
            }
            return Err(failure(&outcome, interruption, hint, ui));
        }
    };
    *ended = Ended::run(&outcome.access);
    let (run, weights) = (RunJson::new(&outcome.access, &bytes, true), VersionView::new(named));
    if ui.format() == Format::Json {
        ui.json(&TrainJson { run, weights: &weights })?;
        return Ok(0);
    }
    weights.sentences("trained").for_each(|sentence| ui.note(&sentence));
    Ok(0)
}

/// The hint and the record of a training that made no version.
fn not_kept(model: &ResolvedModel, args: &TrainArgs, failed: NoVersion) -> (Option<String>, Outcome) {
    let NoVersion { outcome, error, kept, is_wrong } = failed;
    let line = kept.as_deref().and_then(|path| {
        put_line(&Kept {
            path,
            model: model.model(),
            server: &outcome.access.server,
            is_wrong,
            parent: model.weights.as_ref().map(|weights| weights.version),
            note: args.note.as_deref(),
        })
    });
    let hint = line.or_else(|| CliError::from(error?).hints().first().cloned());
    (hint, outcome)
}
