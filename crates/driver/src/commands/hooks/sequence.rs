//! Runs the hooks of a command, one after the other.

use bytes::Bytes;
use mer_core::{Access, AccessKind, with_causes};
use mer_meal::Cancel;

use super::{
    ended::{Ended, Subject},
    execute::{BOUND, Hook, execute},
};
use crate::{
    app::App,
    cli::{HookArgs, Words},
    errors::CliError,
    ui::Ui,
};

/// Does the work of a command, then runs its hooks. Returns the outcome of the work, whatever the hooks do.
///
/// # Errors
/// Those of the work.
pub(in crate::commands) async fn with_hooks(
    app: &App,
    (args, subject): (&HookArgs, Subject<'_>),
    ui: Ui,
    work: impl AsyncFnOnce(&mut Ended) -> Result<u8, CliError>,
) -> Result<u8, CliError> {
    let mut ended = Ended::default();
    let outcome = work(&mut ended).await;
    run_all(app, (args, subject), &ended, &outcome, ui).await;
    outcome
}

/// Runs the hooks of a run that is over and on record.
pub(in crate::commands) async fn run_hooks(app: &App, args: &HookArgs, access: &Access, ui: Ui) {
    let subject = Subject { model: &access.model, kind: Some(AccessKind::Infer) };
    run_all(app, (args, subject), &Ended::run(access), &Ok(0), ui).await;
}

/// Runs the hooks that what is over calls for. A hook that fails is told on standard error. After a signal no further one is
/// begun.
async fn run_all(
    app: &App,
    (args, subject): (&HookArgs, Subject<'_>),
    ended: &Ended,
    outcome: &Result<u8, CliError>,
    ui: Ui,
) {
    let on_failure = args.on_failure.as_ref().filter(|_| ended.is_failure(outcome));
    let hooks = [("--on-end", args.on_end.as_ref()), ("--on-failure", on_failure)];
    let hooks = hooks.into_iter().filter_map(|(flag, words)| {
        let Words(words) = words?;
        Some(Hook { flag, words, bound: BOUND })
    });
    let mut hooks = hooks.peekable();
    if hooks.peek().is_none() {
        return;
    }
    let Some(line) = ended.line(subject, outcome, ui) else { return };
    let line = Bytes::from(line);
    for hook in hooks {
        if run_one(app, hook, line.clone()).await {
            return;
        }
    }
}

/// Runs a hook. Returns whether a signal came.
async fn run_one(app: &App, hook: Hook<'_>, input: Bytes) -> bool {
    let settings = app.runtime.settings();
    let Hook { flag, words, bound } = hook;
    let name = words.first().map(String::as_str).unwrap_or_default();
    let cancel = Cancel::new();
    let wait =
        app.show_wait(|| format!("waiting for the command `{name}` of `{flag}` (at most {bound}; Ctrl-C ends it)"));
    let work = execute(hook, &settings.executor, settings.environment.variables().clone(), input, &cancel);
    let (done, signal) = app.signals.cancel_on_signal(&cancel, || None, work).await;
    drop(wait);
    if let Err(error) = done {
        // An error also under `--quiet`: a hook that was to report a failure may be all that cron hears of it.
        tracing::error!("the command `{name}` of `{flag}` {}", with_causes(&error));
    }
    signal.is_some()
}
