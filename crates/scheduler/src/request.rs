//! A request to a model.

use bytes::Bytes;
use mer_core::{AccessKind, Bound, Model, Server, WeightsVersion};
use mer_meal::{Cancel, Input};
use tokio::sync::mpsc;

use crate::{DeliveryObserver, WaitObserver};

/// The weights that a model works with.
#[derive(Debug, Clone)]
pub struct Weights {
    /// Their version.
    pub version: WeightsVersion,
    /// Receives the progress of their delivery.
    pub progress: Option<DeliveryObserver>,
}

/// One request to one model.
#[derive(Debug)]
pub struct Request<'a> {
    /// The model, as registered.
    pub model: &'a Model,
    /// The servers that are registered.
    pub servers: &'a [Server],
    /// Restricts the request to this server.
    pub pinned: Option<&'a str>,
    /// Whether it infers, trains or pings.
    pub kind: AccessKind,
    /// The weights that it works with. A process that stays up serves requests with these weights only.
    pub weights: Option<Weights>,
    /// Data for the model's stdin.
    pub input: Input,
    /// Overrides the model's own timeout.
    pub timeout: Option<Bound>,
    /// Whether input and output are hashed for the access log.
    pub hashes: bool,
    /// Whether a process that stays up is kept for further requests; otherwise it ends after its reply.
    pub keep: bool,
    /// Ends the run early.
    pub cancel: Cancel,
    /// Receives what the request is waiting for.
    pub watch: Option<WaitObserver>,
}

/// Receivers of a model's output while it runs.
#[derive(Debug)]
pub struct Output {
    /// Stdout, byte for byte. The run is cancelled if the receiver is dropped.
    pub stdout: mpsc::Sender<Bytes>,
    /// Stderr. It never delays the model: chunks that the receiver cannot take at once are dropped.
    pub stderr: Option<mpsc::Sender<Bytes>>,
}
