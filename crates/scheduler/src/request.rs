//! What is asked of the scheduler, and where the answer goes.

use bytes::Bytes;
use mer_core::{Bound, FailureKind, Kind, Model, Server, WeightsVersion};
use mer_meal::{Cancel, Input};
use tokio::sync::{mpsc, oneshot};

use crate::{Progress, Watch};

/// The weights that a model is given.
#[derive(Debug, Clone)]
pub struct Weights {
    /// Which.
    pub version: WeightsVersion,
    /// Who watches them being brought to where the model runs.
    pub progress: Option<Progress>,
}

/// One request to one model.
#[derive(Debug)]
pub struct Request<'a> {
    /// The model, as registered.
    pub model: &'a Model,
    /// The servers that are registered.
    pub servers: &'a [Server],
    /// The only server that may serve it; none leaves the choice.
    pub pinned: Option<&'a str>,
    /// What it is asked for.
    pub kind: Kind,
    /// The weights that it works with. A process that stays up works with no others.
    pub weights: Option<Weights>,
    /// What it is sent.
    pub input: Input,
    /// Instead of the model's own timeout.
    pub timeout: Option<Bound>,
    /// Whether input and output are hashed for the log.
    pub hashes: bool,
    /// Whether there may be another request: a process that stays up is kept for it, else it ends with its reply.
    pub keep: bool,
    /// Ends the run early.
    pub cancel: Cancel,
    /// Hears what is waited for meanwhile.
    pub watch: Option<Watch>,
}

/// Where a model's output goes as it comes.
#[derive(Debug)]
pub struct Output {
    /// Its stdout, byte for byte. Dropping the receiver says that nobody reads on: the run is then cancelled.
    pub stdout: mpsc::Sender<Bytes>,
    /// Its stderr, where somebody watches it. Never holds the model up: what the watcher cannot take is left out.
    pub stderr: Option<mpsc::Sender<Bytes>>,
}

/// Asks the writer of the output whether all of it has arrived.
#[derive(Debug)]
pub struct Delivery {
    ask: oneshot::Sender<bool>,
    told: oneshot::Receiver<Result<(), Undelivered>>,
}

/// The other end of a [`Delivery`].
#[derive(Debug)]
pub struct Receipt {
    asked: oneshot::Receiver<bool>,
    tell: oneshot::Sender<Result<(), Undelivered>>,
}

/// Why output did not get to where it was to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// The kind of the failure; [`FailureKind::ReaderGone`] where the reader of the output went away.
    pub kind: FailureKind,
    /// A sentence.
    pub said: String,
}

impl Delivery {
    /// A question, and what answers it.
    #[must_use]
    pub fn new() -> (Self, Receipt) {
        let ((ask, asked), (tell, told)) = (oneshot::channel(), oneshot::channel());
        (Self { ask, told }, Receipt { asked, tell })
    }

    /// Asks once all output has been handed on. `succeeded`: whether the run will have, if the output gets there.
    pub(crate) async fn outcome(self, succeeded: bool) -> Result<(), Undelivered> {
        // Without a receiver nothing can be known.
        let _ = self.ask.send(succeeded);
        self.told.await.unwrap_or(Ok(()))
    }
}

/// Tells how the run will be judged, once the model's part is over.
#[derive(Debug)]
pub struct Asked(oneshot::Receiver<bool>);

impl Asked {
    /// Whether the run will have succeeded if the output gets to where it is to go. Not, where no model was asked.
    pub async fn succeeded(self) -> bool {
        self.0.await.unwrap_or(false)
    }
}

impl Receipt {
    /// Carries the output to where it is to go, and tells what became of it. Nothing, where the run was given up meanwhile:
    /// the carrying is dropped then.
    pub async fn carrying<T>(self, carry: impl AsyncFnOnce(Asked) -> (T, Result<(), Undelivered>)) -> Option<T> {
        let Self { asked, mut tell } = self;
        let (done, outcome) = tokio::select! {
            biased;
            done = carry(Asked(asked)) => done,
            () = tell.closed() => return None,
        };
        // There is no question where the run never began.
        let _ = tell.send(outcome);
        Some(done)
    }
}
