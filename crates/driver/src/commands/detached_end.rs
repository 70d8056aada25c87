//! The end of a detached run, as a command shows it.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use mer_core::Access;
use mer_scheduler::Outcome;
use mer_service::{
    detached::{CollectedRun, failure_of},
    run_blocking,
};

use super::run_failure::failure;
use crate::{
    app::App,
    cli::{OnEndArgs, Words},
    errors::CliError,
    ui::Ui,
};

/// Returns the failure of a run that is over; none if it succeeded.
pub(super) fn failed(collected: &CollectedRun, ui: Ui) -> Option<CliError> {
    let kind = failure_of(&collected.access)?;
    let outcome = Outcome { access: collected.access.clone(), failure: Some(kind), cause: None };
    Some(failure(&outcome, None, None, ui))
}

impl OnEndArgs {
    /// Checks the command before there is anything to wait for.
    ///
    /// # Errors
    /// It cannot be split into words, or is empty (64).
    pub(crate) fn check(&self) -> Result<(), CliError> {
        self.words().map(drop)
    }

    fn words(&self) -> Result<Vec<String>, CliError> {
        let Some(text) = &self.on_end else { return Ok(Vec::new()) };
        let wrong = || CliError::usage(format!("the value `{text}` of `--on-end` is not a command"));
        let Words(words) = text.parse().map_err(|error| wrong().caused_by(error))?;
        if words.is_empty() { Err(wrong()) } else { Ok(words) }
    }

    /// Runs the command, if there is one, with the JSON of the run as its input. A failure of it is only a warning: the run is
    /// over. A signal ends the wait for it.
    ///
    /// # Errors
    /// A signal came.
    pub(crate) async fn run(&self, app: &App, access: &Access, ui: Ui) -> Result<(), CliError> {
        let words = self.words()?;
        let Some((program, arguments)) = words.split_first() else { return Ok(()) };
        let json = ui.json_line(access)?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped());
        let program = program.clone();
        let work = run_blocking("mer-on-end", move || {
            let mut child = command.spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                // A command may end without reading it.
                let _ = stdin.write_all(&json);
            }
            child.wait()
        });
        match app.signals.unless_ended(async { Ok(work.await) }).await? {
            Ok(status) if status.success() => {}
            Ok(status) => tracing::warn!("the command `{program}` of `--on-end` failed: {status}"),
            Err(error) => tracing::warn!("the command `{program}` of `--on-end` could not be run: {error}"),
        }
        Ok(())
    }
}
