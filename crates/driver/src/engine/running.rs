//! Runs a request where it was prepared.

use bytes::Bytes;
use mer_client::{ClientError, Location, RunOutput};
use mer_core::{Classified as _, FailureKind, Selector};
use mer_meal::{CancelLevel, Input};
use mer_scheduler::{Outcome, Output, OutputConfirmation, ReplayedInput};
use mer_serve::ServeError;
use mer_service::{ModelHost as _, RunRequest};
use uuid::Uuid;

use super::{
    choice::{Prepared, Reserved},
    relay::lost,
};
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
            Self::There(reserved) => reserved.run(app, model, request, output, confirmation).await,
        }
    }

    /// Whether the request runs in this process.
    pub(crate) const fn is_here(&self) -> bool {
        matches!(self, Self::Here(_))
    }
}

impl Reserved {
    async fn run(
        self,
        app: &App,
        model: &str,
        mut request: RunRequest<'_>,
        output: Output,
        confirmation: OutputConfirmation,
    ) -> Result<Outcome, CliError> {
        let Self { reservation, request_uid, selector, takes_back } = self;
        let show = app.wait_display();
        let replay = (takes_back || request.retries > 0).then(|| Replay::new(&mut request.input));
        let input = std::mem::replace(&mut request.input, Input::Bytes(Bytes::new()));
        let Output { stdout, stderr } = output;
        let mut there = RunOutput::new(stdout, stderr, confirmation, request.progress.clone());
        let error = match reservation.run(input, &request.cancel, &mut there, &show).await {
            Ok(outcome) => return Ok(outcome),
            Err(error) => error,
        };
        show(None);
        let RunOutput { stdout, stderr, confirmation, passed_on, attempts, retries, .. } = there;
        if matches!(error, ClientError::Gone) {
            record_lost(app, &selector, (request_uid, attempts), &request, &error).await;
        }
        let is_cancelled = request.cancel.level() != CancelLevel::None;
        let retries_left = match &error {
            // No attempt of the resident has started anything.
            ClientError::Declined(_) => Some(request.retries),
            ClientError::Gone => request.retries.checked_sub(retries + 1),
            _ => None,
        };
        let is_over = passed_on || is_cancelled;
        let (false, Some(retries), Some(replay), Some(stdout), Some(confirmation)) =
            (is_over, retries_left, replay, stdout, confirmation)
        else {
            if is_cancelled && matches!(error, ClientError::Declined(_)) {
                return Err(CliError::new(FailureKind::Cancelled, format!("`{model}`: cancelled")));
            }
            return Err(lost(model, request_uid, error));
        };
        let Some(input) = replay.input().await else { return Err(lost(model, request_uid, error)) };
        if matches!(error, ClientError::Gone) {
            tracing::warn!("`{model}`: {error}; trying again without it");
        }
        let resolved = app.runtime.resolve(&selector).await?;
        let request = RunRequest { input, retries, ..request };
        let output = Output { stdout, stderr };
        Ok(app.runtime.run_again(&resolved, request, (request_uid, attempts), output, confirmation).await?)
    }
}

/// Puts the attempt of a resident that has ended on record.
async fn record_lost(
    app: &App,
    selector: &Selector,
    attempt: (Uuid, u32),
    request: &RunRequest<'_>,
    error: &ClientError,
) {
    let recorded = async {
        let model = app.runtime.resolve(selector).await?;
        app.runtime.record_lost(&model, attempt, request.server, &request.tags, &error.to_string()).await
    };
    if let Err(error) = recorded.await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the run could not be put on record");
    }
}

/// An input that can be sent once more.
enum Replay {
    Bytes(Bytes),
    Stream(ReplayedInput),
}

impl Replay {
    /// Replaces the input by one that is kept while it is sent.
    fn new(input: &mut Input) -> Self {
        match std::mem::replace(input, Input::Bytes(Bytes::new())) {
            Input::Bytes(bytes) => {
                *input = Input::Bytes(bytes.clone());
                Self::Bytes(bytes)
            }
            Input::Stream(chunks) => {
                let replayed = ReplayedInput::new(chunks);
                *input = replayed.open();
                Self::Stream(replayed)
            }
        }
    }

    /// Returns the whole input; none if it was too long to be kept.
    async fn input(self) -> Option<Input> {
        match self {
            Self::Bytes(bytes) => Some(Input::Bytes(bytes)),
            Self::Stream(replayed) => replayed.is_whole().await.then(|| replayed.open()),
        }
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
