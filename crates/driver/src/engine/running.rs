//! Runs a request where it was prepared.

use mer_client::{Location, RunOutput};
use mer_core::Classified as _;
use mer_scheduler::{Outcome, Output, OutputConfirmation};
use mer_serve::ServeError;
use mer_service::{ModelHost as _, RunRequest};

use super::{choice::Prepared, relay::lost};
use crate::{app::App, errors::CliError};

impl Prepared {
    /// Runs the request. The run is on record when this returns.
    ///
    /// # Errors
    /// The run could not be attempted or put on record, or the resident ended in the middle (69). A run that did not succeed
    /// is an [`Outcome`].
    pub(crate) async fn run(
        self,
        app: &App,
        model: &str,
        request: RunRequest<'_>,
        output: Output,
        confirmation: OutputConfirmation,
    ) -> Result<Outcome, CliError> {
        match self {
            Self::Here(resolved) => Ok(app.runtime.run(&resolved, request, output, confirmation).await?),
            Self::There(reservation) => {
                let show = app.wait_display();
                let wait = |text: Option<String>| show(text);
                let output = RunOutput { output, confirmation, wait: &wait };
                reservation.run(request.input, &request.cancel, output).await.map_err(|error| lost(model, error))
            }
        }
    }

    /// Whether the request runs in this process.
    pub(crate) const fn is_here(&self) -> bool {
        matches!(self, Self::Here(_))
    }
}

/// Returns the place of the resident's socket, for commands that steer it.
///
/// # Errors
/// No other process can open the database (64).
pub(crate) fn database_location(app: &App) -> Result<Location, CliError> {
    let in_memory = || CliError::of(ServeError::InMemory.failure_kind(), ServeError::InMemory);
    app.engine.location().cloned().ok_or_else(in_memory)
}
