//! `mer run --artefacts` and `mer train --artefacts`: a detached run that is followed, and whose artefacts are fetched.

use std::path::Path;

use mer_core::DetachedRun;
use mer_meal::{Cancel, CancelLevel, Input};
use mer_service::{
    detached::{FetchScope, FoundRun},
    train::TrainOptions,
};
use tokio::sync::mpsc;

use super::{
    detach::place,
    detached_end::failed,
    hooks::Ended,
    run_output::{QUEUE, RunJson, STDERR_QUEUE, show_diagnostics},
    weights::VersionView,
};
use crate::{
    app::App,
    cli::RequestArgs,
    errors::CliError,
    io::Sink,
    ui::{Format, Ui, counted},
};

/// Runs a model to its end, and fetches what it wrote to `MER_RUN_DIR` into a folder. A signal ends the run.
pub(super) async fn run_with_artefacts(
    app: &App,
    (args, folder): (&RequestArgs, &Path),
    input: Input,
    training: Option<TrainOptions>,
    ui: Ui,
    ended: &mut Ended,
) -> Result<u8, CliError> {
    let run = place(app, (args, 0), input, training, ui).await?;
    let found = FoundRun::Open(Box::new(run.clone()));
    let cancel = Cancel::new();
    let (stdout, chunks) = mpsc::channel(QUEUE);
    let (stderr, diagnostics) = mpsc::channel(STDERR_QUEUE);
    let mut sink = if ui.format() == Format::Json { Sink::Memory(Vec::new()) } else { Sink::stdout()? };
    // The receiver is dropped at the first failure, so that nothing is followed any more.
    let written = async move {
        let mut chunks = chunks;
        while let Some(chunk) = chunks.recv().await {
            sink.put(chunk).await?;
        }
        sink.finish(true).await
    };
    let (never, over) = (Cancel::new(), Cancel::new());
    let followed = async {
        let followed = app.runtime.follow_detached(&found, None, stdout, stderr, &never).await;
        over.cancel();
        followed
    };
    let work = async {
        tokio::join!(
            followed,
            written,
            show_diagnostics(diagnostics, &never),
            stop_when_cancelled(app, &run, &cancel, &over)
        )
    };
    let ((followed, written, (), ()), signal) =
        app.signals.cancel_on_signal(&cancel, || app.show_end_wait(&run.model), work).await;
    if written.is_err() {
        app.runtime.stop_detached(&run, false).await?;
    }
    let bytes = written?;
    if signal.is_none() {
        followed?;
    }
    let collected = app.runtime.wait_detached(found).await?;
    *ended = Ended::run(&collected.access);
    let closed = FoundRun::Closed(Box::new(collected.access.clone()));
    let fetched = app.runtime.fetch_detached(&closed, FetchScope::Artefacts, folder, &never).await?;
    if ui.format() == Format::Json {
        ui.json(&RunJson::new(&collected.access, &bytes, true))?;
    }
    ui.note(&format!("fetched {} into `{}`", counted(fetched.files, "artefact"), folder.display()));
    let failure = failed(&collected, ui);
    if let Some(version) = collected.version {
        VersionView::new(version).sentences("trained").for_each(|sentence| ui.note(&sentence));
    }
    failure.map_or(Ok(0), Err)
}

/// Ends the run when a signal comes: by TERM at the first one, by KILL at the second. Returns when the run is over.
async fn stop_when_cancelled(app: &App, run: &DetachedRun, cancel: &Cancel, ended: &Cancel) {
    for (level, now) in [(CancelLevel::Cancel, false), (CancelLevel::Now, true)] {
        tokio::select! {
            biased;
            () = ended.reached(CancelLevel::Cancel) => return,
            () = cancel.reached(level) => {}
        }
        if let Err(error) = app.runtime.stop_detached(run, now).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the run could not be told to end");
        }
    }
}
