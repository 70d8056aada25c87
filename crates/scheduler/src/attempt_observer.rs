//! Tells the sender of a request that a further attempt begins.

use tokio::sync::{mpsc, oneshot};

/// A further attempt of a request, which begins once `told` is used or dropped.
#[derive(Debug)]
pub struct FurtherAttempt {
    /// Number of the attempt, from 2.
    pub attempt: u32,
    /// Number of retries that were taken for it and for those before.
    pub retries: u32,
    /// To be used when the sender knows.
    pub told: oneshot::Sender<()>,
}

/// Receives further attempts before they are put on record, so that a sender whose scheduler ends knows which numbers are
/// taken. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AttemptObserver(mpsc::Sender<FurtherAttempt>);

impl AttemptObserver {
    /// Makes an observer, and the end that receives the attempts. The first attempt of a request is not reported.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<FurtherAttempt>) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), receiver)
    }

    /// Waits until the sender of the request knows of the attempt, or has gone.
    pub(crate) async fn begins(&self, attempt: u32, retries: u32) {
        let (told, knows) = oneshot::channel();
        if self.0.send(FurtherAttempt { attempt, retries, told }).await.is_ok() {
            let _ = knows.await;
        }
    }
}
