//! `mer serve`.

use std::sync::Arc;

use mer_client::wire::ErrorMessage;
use mer_core::Classified as _;
use mer_scheduler::Outcome;
use mer_serve::{Messages, Options, ServeError};
use mer_service::ServiceError;

use super::drain::drain_command;
use crate::{
    app::App,
    cli::{ServeArgs, selector},
    engine::database_location,
    errors::{CliError, outcome_hint},
    ui::Ui,
};

/// Serves the separate calls of this user and database, until a signal ends it.
pub(super) async fn serve(app: &App, args: &ServeArgs, ui: Ui) -> Result<u8, CliError> {
    if args.http {
        return Err(CliError::usage("`--http` is not available yet")
            .hint("`mer serve` alone answers on a socket of this machine"));
    }
    let preload = args.preload.iter().map(|model| selector(model)).collect::<Result<Vec<_>, _>>()?;
    let options = Options {
        location: database_location(app)?,
        listener: app.service_manager.listener().map_err(not_given)?,
        preload,
        idle_exit: args.idle_exit.and_then(mer_core::Bound::duration),
        drain: drain_command(app),
        mer_version: env!("CARGO_PKG_VERSION").to_owned(),
        messages: Arc::new(Words),
    };
    // Creates and migrates an embedded database, so that the first caller does not wait for it.
    app.signals.unless_ended(async { Ok(app.runtime.view().await?) }).await?;
    let socket = options.location.socket();
    let ready = || {
        app.service_manager.notify("READY=1");
        ui.note(&format!("ready on `{}`", socket.display()));
    };
    let next = async || {
        let _ = app.signals.next().await;
    };
    let signal = async {
        next().await;
        app.service_manager.notify("STOPPING=1");
    };
    mer_serve::serve(Arc::clone(&app.runtime), options, ready, signal, next()).await.map_err(refused)?;
    Ok(0)
}

fn not_given(error: std::io::Error) -> CliError {
    CliError::io("the socket of the service manager cannot be taken", error)
}

fn refused(error: ServeError) -> CliError {
    let kind = error.failure_kind();
    let hint = match error {
        ServeError::Running => Some("`mer ps` lists what it keeps; `mer doctor` says which process it is"),
        _ => None,
    };
    let error = CliError::of(kind, error);
    hint.into_iter().fold(error, CliError::hint)
}

/// The words of failures, which only this crate has.
#[derive(Debug)]
struct Words;

impl Messages for Words {
    fn hint(&self, outcome: &Outcome) -> Option<String> {
        outcome_hint(outcome)
    }

    fn error(&self, error: ServiceError) -> ErrorMessage {
        let error = CliError::from(error);
        ErrorMessage {
            causes: error.causes(),
            hints: error.hints().to_vec(),
            ..ErrorMessage::new(error.kind(), error.to_string())
        }
    }
}
