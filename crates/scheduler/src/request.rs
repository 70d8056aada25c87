//! What is asked of the scheduler, and where the answer goes.

use bytes::Bytes;
use mer_core::{Bound, Kind, Model, Server, WeightsVersion};
use mer_meal::{Cancel, Input};
use tokio::sync::mpsc;

use crate::Progress;

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
}

/// Where a model's output goes as it comes.
#[derive(Debug)]
pub struct Output {
    /// Its stdout, byte for byte. Dropping the receiver says that nobody reads on: the run is then cancelled.
    pub stdout: mpsc::Sender<Bytes>,
    /// Its stderr, where somebody watches it. Never holds the model up: what the watcher cannot take is left out.
    pub stderr: Option<mpsc::Sender<Bytes>>,
}
