//! `mer attach`.

use mer_meal::{Cancel, CancelLevel};
use mer_service::detached::{AttemptEnd, FoundRun};
use tokio::sync::mpsc;

use super::{
    detached_end::failed,
    hooks::run_hooks,
    run_output::{QUEUE, STDERR_QUEUE, show_diagnostics},
};
use crate::{app::App, cli::AttachArgs, errors::CliError, io::Sink, ui::Ui};

/// Shows what a detached run writes until it is over, and ends with its exit code. Ctrl-C leaves it running.
pub(super) async fn attach(app: &App, args: &AttachArgs, ui: Ui) -> Result<u8, CliError> {
    let mut found = app.signals.unless_ended(async { Ok(app.runtime.find_detached(&args.uid).await?) }).await?;
    let mut tail = args.tail;
    let collected = loop {
        if !show(app, &found, tail.take()).await? {
            let uid = found.uid();
            ui.note(&format!(
                "detached: the run goes on; `mer attach {uid}` shows it again, and `mer stop {uid}` ends it"
            ));
            return Ok(0);
        }
        match app.signals.unless_ended(async { Ok(app.runtime.wait_attempt(found).await?) }).await? {
            AttemptEnd::Over(collected) => break collected,
            AttemptEnd::Followed { ended, next, .. } => {
                ui.note(&ended.error.unwrap_or_default());
                found = next;
            }
        }
    };
    run_hooks(app, &args.hooks, &collected.access, ui).await;
    failed(&collected, ui).map_or(Ok(0), Err)
}

/// Shows what an attempt of a run writes until it is over. Returns false if a signal ended that.
async fn show(app: &App, found: &FoundRun, tail: Option<u64>) -> Result<bool, CliError> {
    let cancel = Cancel::new();
    let (stdout, chunks) = mpsc::channel(QUEUE);
    let (stderr, diagnostics) = mpsc::channel(STDERR_QUEUE);
    // The receiver is dropped at the first failure, so that nothing is followed any more.
    let shown = async move {
        let (mut chunks, mut sink) = (chunks, Sink::stdout()?);
        while let Some(chunk) = chunks.recv().await {
            sink.put(chunk).await?;
        }
        sink.finish(true).await
    };
    let work = async {
        let follow = app.runtime.follow_detached(found, tail, stdout, stderr, &cancel);
        tokio::join!(follow, shown, show_diagnostics(diagnostics, &cancel))
    };
    let ((followed, shown, ()), signal) = app.signals.cancel_on_signal(&cancel, || None, work).await;
    shown?;
    if signal.is_some() || cancel.level() != CancelLevel::None {
        return Ok(false);
    }
    followed?;
    Ok(true)
}
