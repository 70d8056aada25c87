//! Confirms that a run's output was written. A run whose output did not arrive has not succeeded, whatever its model reports.

use mer_core::FailureKind;
use tokio::sync::oneshot;

/// Asks the writer of the output whether all of it was written. Held by the scheduler.
#[derive(Debug)]
pub struct OutputConfirmation {
    ask: oneshot::Sender<bool>,
    answer: oneshot::Receiver<Result<(), OutputFailure>>,
}

/// Answers an [`OutputConfirmation`]. Held by the writer of the output.
#[derive(Debug)]
pub struct ConfirmationSender {
    asked: oneshot::Receiver<bool>,
    answer: oneshot::Sender<Result<(), OutputFailure>>,
}

/// Why output was not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputFailure {
    /// Kind of the failure; [`FailureKind::ReaderGone`] if the reader of the output has gone.
    pub kind: FailureKind,
    /// Sentence for the user.
    pub message: String,
}

impl OutputConfirmation {
    /// Returns both ends.
    #[must_use]
    pub fn new() -> (Self, ConfirmationSender) {
        let ((ask, asked), (sender, answer)) = (oneshot::channel(), oneshot::channel());
        (Self { ask, answer }, ConfirmationSender { asked, answer: sender })
    }

    /// Asks, once all output has been forwarded. `succeeded` is whether the run succeeds if its output is written.
    ///
    /// # Errors
    /// Why it was not written.
    pub async fn ask(self, succeeded: bool) -> Result<(), OutputFailure> {
        // Without a writer there is nothing to confirm.
        let _ = self.ask.send(succeeded);
        self.answer.await.unwrap_or(Ok(()))
    }
}

/// Whether the run succeeds if its output is written, known once the model is done.
#[derive(Debug)]
pub struct ExpectedSuccess(oneshot::Receiver<bool>);

impl ExpectedSuccess {
    /// Waits until the model is done. Returns false if no model was started.
    pub async fn get(self) -> bool {
        self.0.await.unwrap_or(false)
    }
}

impl ConfirmationSender {
    /// Runs `write`, which writes the output, and confirms its result. Returns nothing if the run was given up meanwhile;
    /// `write` is dropped then.
    pub async fn confirm<T>(
        self,
        write: impl AsyncFnOnce(ExpectedSuccess) -> (T, Result<(), OutputFailure>),
    ) -> Option<T> {
        let Self { asked, mut answer } = self;
        let (done, result) = tokio::select! {
            biased;
            written = write(ExpectedSuccess(asked)) => written,
            () = answer.closed() => return None,
        };
        // The receiver is gone if the run never began.
        let _ = answer.send(result);
        Some(done)
    }
}
