//! `mer train`.

mod keep;
mod scratch;

use mer_core::AccessKind;
use mer_meal::{Cancel, Input};
use mer_scheduler::{Output, OutputConfirmation, Request, Training};
use serde::Serialize;
use tokio::sync::mpsc;

pub(super) use scratch::clear;

use self::{keep::Keeper, scratch::Scratch};
use super::{
    carry::{QUEUE, STDERR_QUEUE, pour, show},
    run::{RunJson, told},
    weights::{Told, for_run},
};
use crate::{
    app::{App, Signal},
    cli::{TrainArgs, Typed, selector},
    errors::{CliError, Kind},
    io::Sink,
    ui::{Format, Ui},
};

/// The folder of trainings, in the data folder.
pub(super) const FOLDER: &str = "training";

/// The JSON of a training that made a version.
#[derive(Serialize)]
struct TrainJson<'a> {
    #[serde(flatten)]
    run: RunJson<'a>,
    weights: &'a Told,
}

/// Trains a model once. What it wrote becomes the next version, if all went well; the access says which.
pub(super) async fn train(app: &App, args: &TrainArgs, input: Input, ui: Ui, typed: &Typed) -> Result<u8, CliError> {
    let selector = selector(&args.request.model)?;
    if args.promote {
        app.check_changes_allowed(typed)?;
    }
    let view = app.signals.or_ended(app.view_of(&selector.model)).await?;
    let model = view.model(&selector.model)?;
    let parent = app.signals.or_ended(for_run(app, &view, &selector, ui)).await?;
    let from = parent.as_ref().map(|weights| weights.version.version);
    let scratch = Scratch::new(&app.settings.data_dir.join(FOLDER))?;
    let cancel = Cancel::new();
    let (stdout, chunks) = mpsc::channel(QUEUE);
    let (stderr, diagnostics) = mpsc::channel(STDERR_QUEUE);
    let sink = match ui.format() {
        Format::Json => Sink::Memory(Vec::new()),
        _ => Sink::stdout()?,
    };
    let request = Request {
        model,
        servers: &view.servers,
        pinned: args.request.server.as_deref(),
        kind: AccessKind::Train,
        weights: parent,
        input,
        timeout: args.request.timeout,
        keep: false,
        cancel: cancel.clone(),
        watch: app.watch(),
        hashes: app.settings.hashes && !args.request.no_hash,
    };
    app.moves_records(&view);
    let scheduler = app.scheduler(&view);
    let (delivery, receipt) = OutputConfirmation::new();
    let watched = (ui.format() == Format::Text).then_some(stderr);
    let output = Output { stdout, stderr: watched };
    let training = scheduler.train(request, scratch.path(), output, delivery);
    let work = async { tokio::join!(training, pour(chunks, sink, receipt), show(diagnostics, &cancel)) };
    let ((training, over, ()), signal) =
        app.signals.cancelling(&cancel, || app.telling_of_end(&model.name), work).await;
    // A cancelled training makes no version.
    let cancelled = match signal {
        Some(signal) => Err(CliError::new(signal.kind(), format!("ended by {signal}"))),
        None => Ok(()),
    };
    let keeper = Keeper { app, args, model, from, scratch: &scratch, scheduler };
    let (outcome, made, bytes) = match (training?, over) {
        (Training::Over(_), Err(error)) => return Err(error),
        (Training::Over(outcome), Ok(bytes)) => (*outcome, None, bytes),
        (Training::Trained(trained), Err(error)) => {
            keeper.refuse(*trained, &error).await;
            return Err(error);
        }
        (Training::Trained(trained), Ok(bytes)) => match cancelled {
            Err(error) => (keeper.refuse(*trained, &error).await, None, bytes),
            Ok(()) => {
                let (outcome, made) = keeper.keep(*trained).await;
                (outcome, made, bytes)
            }
        },
    };
    app.after_run().await;
    let run = RunJson::new(&outcome.access, &bytes, true);
    let Some(weights) = made else {
        if ui.format() == Format::Json {
            ui.json(&run)?;
        }
        // One that came while the weights were being put is told by the code alone.
        let signal = signal.or_else(|| Signal::of_code(outcome.code));
        let code = match signal {
            Some(signal) if outcome.code == Kind::Interrupted.code() => signal.code(),
            _ => outcome.code,
        };
        return Err(told(&outcome, code, signal, ui));
    };
    if ui.format() == Format::Json {
        ui.json(&TrainJson { run, weights: &weights })?;
        return Ok(0);
    }
    weights.sentences("trained").for_each(|sentence| ui.note(&sentence));
    Ok(0)
}
