//! `mer wait`.

use mer_core::{Bound, FailureKind};
use mer_service::detached::CollectedRun;
use tokio::time::Instant;

use super::{detached_end::failed, hooks::run_hooks, run_failure::keep_first, weights::VersionView};
use crate::{
    app::App,
    cli::WaitRunsArgs,
    errors::CliError,
    ui::{Format, Ui},
};

/// Waits until detached runs are over, and ends with the exit code of the first one that failed, or was not over in time. Each of
/// them is looked at, however little time there is.
pub(super) async fn wait(app: &App, args: &WaitRunsArgs, ui: Ui) -> Result<u8, CliError> {
    let mut found = Vec::new();
    for uid in &args.uids {
        found.push(app.signals.unless_ended(async { Ok(app.runtime.find_detached(uid).await?) }).await?);
    }
    let deadline = args.timeout.and_then(Bound::duration).and_then(|time| Instant::now().checked_add(time));
    let mut first = None;
    for run in found {
        let (uid, model) = (run.uid(), run.model().to_owned());
        let _wait = app
            .show_wait(|| format!("waiting for the run `{uid}` of `{model}` (Ctrl-C ends the wait, and not the run)"));
        let work = async { Ok(app.runtime.wait_detached_until(run, deadline).await?) };
        let collected = app.signals.unless_ended(work).await?;
        drop(_wait);
        let Some(collected) = collected else {
            let bound = args.timeout.unwrap_or(Bound::Never);
            let message = format!("the run `{uid}` of `{model}` was not over after {bound}, and goes on");
            keep_first(&mut first, CliError::new(FailureKind::Timeout, message), ui);
            continue;
        };
        run_hooks(app, &args.hooks, &collected.access, ui).await;
        let failure = failed(&collected, ui);
        show(collected, ui)?;
        if let Some(failure) = failure {
            keep_first(&mut first, failure, ui);
        }
    }
    first.map_or(Ok(0), Err)
}

fn show(collected: CollectedRun, ui: Ui) -> Result<(), CliError> {
    if ui.format() == Format::Json {
        return ui.json(&collected.access);
    }
    if let Some(version) = collected.version {
        VersionView::new(version).sentences("trained").for_each(|sentence| ui.note(&sentence));
    }
    Ok(())
}
