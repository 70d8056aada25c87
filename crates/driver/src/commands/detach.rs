//! `mer run --detach` and `mer train --detach`.

use mer_core::{DetachedRun, FailureKind};
use mer_meal::{Cancel, Input};
use mer_scheduler::{Detached, Retention};
use mer_service::{ModelHost as _, RunRequest, train::TrainOptions};
use serde::Serialize;

use crate::{
    app::App,
    cli::{RequestArgs, selector},
    commands::{run_failure::failure, weights},
    errors::{CliError, outcome_hint},
    ui::{Format, Ui},
};

/// The JSON of a run that was detached.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PlacedJson<'a> {
    request_uid: uuid::Uuid,
    attempt: u32,
    model: &'a str,
    server: &'a str,
    host: &'a str,
    folder: Option<&'a str>,
    pid: Option<u32>,
    job_id: Option<&'a str>,
}

/// Starts a run that goes on when this process ends, and prints its uid.
pub(super) async fn detach(
    app: &App,
    (args, retries): (&RequestArgs, u32),
    input: Input,
    training: Option<TrainOptions>,
    ui: Ui,
) -> Result<u8, CliError> {
    let is_training = training.is_some();
    let run = place(app, (args, retries), input, training, ui).await?;
    placed(&run, is_training, ui)?;
    Ok(0)
}

/// Starts a run that goes on when this process ends. A cluster that puts its job back into the queue may run it again as many
/// times as `retries` says.
///
/// # Errors
/// It was not started, or that is not known.
pub(super) async fn place(
    app: &App,
    (args, retries): (&RequestArgs, u32),
    input: Input,
    training: Option<TrainOptions>,
    ui: Ui,
) -> Result<DetachedRun, CliError> {
    let selector = selector(&args.model)?;
    let model = app.signals.unless_ended(async { Ok(app.model_host().resolve(&selector).await?) }).await?;
    let cancel = Cancel::new();
    let request = RunRequest {
        sender: None,
        server: args.server.as_deref(),
        input,
        timeout: args.timeout,
        hashes: app.settings.hashes && !args.no_hash,
        keep: Retention::No,
        retries,
        retry_failed: false,
        priority: args.priority,
        tags: args.tags()?,
        cancel: cancel.clone(),
        watch: app.watch(),
        progress: weights::progress(ui),
        attempts: None,
        batch_uid: None,
    };
    let work = app.runtime.detach(&model, request, training);
    let (detached, signal) =
        app.signals.cancel_on_signal(&cancel, || app.show_end_wait(&model.model().name), work).await;
    match detached? {
        Detached::Placed { run, ends_with_session } => {
            if ends_with_session {
                tracing::warn!(
                    "systemd on `{}` ends what a user has started when the login session ends (`KillUserProcesses`), this run \
                     too: `sudo loginctl enable-linger USER` there keeps later ones",
                    run.server
                );
            }
            Ok(*run)
        }
        Detached::Unclear { run, why } => {
            let message = format!("`{}` on `{}`: it is not known whether it was started: {why}", run.model, run.server);
            Err(CliError::new(FailureKind::Unreachable, message)
                .of_request(run.request_uid)
                .hint(format!("`mer wait {}` looks after it, and puts its end on record", run.request_uid)))
        }
        Detached::Over(outcome) => Err(failure(&outcome, signal, outcome_hint(&outcome), ui)),
    }
}

fn placed(run: &DetachedRun, is_training: bool, ui: Ui) -> Result<(), CliError> {
    let DetachedRun { request_uid, attempt, model, server, host, folder, job_id, params, .. } = run;
    if ui.format() == Format::Json {
        return ui.json(&PlacedJson {
            request_uid: *request_uid,
            attempt: *attempt,
            model,
            server,
            host,
            folder: folder.as_deref(),
            pid: params.pid,
            job_id: job_id.as_deref(),
        });
    }
    ui.data(format!("{request_uid}\n").as_bytes())?;
    let what = if is_training { "the training" } else { "the run" };
    ui.note(&format!(
        "{what} of `{model}` goes on on `{server}`: `mer attach {request_uid}` shows its output, `mer wait` its end"
    ));
    Ok(())
}
