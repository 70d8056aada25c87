//! A request to a model.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use bytes::Bytes;
use mer_core::{AccessKind, Bound, Claims, Model, Server, WeightsVersion};
use mer_meal::{Cancel, Input, JobPool};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{AttemptObserver, CallerEnvironment, DeliveryObserver, WaitObserver};

/// The weights that a model works with.
#[derive(Debug, Clone)]
pub struct Weights {
    /// Their version.
    pub version: WeightsVersion,
    /// Receives the progress of their delivery.
    pub progress: Option<DeliveryObserver>,
}

/// The sender of a request, if it is another process than the one of the scheduler.
#[derive(Debug, Clone)]
pub struct Requester {
    /// `user@host`.
    pub caller: String,
    /// What its environment claims about the caller.
    pub claims: Claims,
    /// Its process id.
    pub pid: u32,
    /// Its environment. Only the variables that say where programs and libraries are found are used.
    pub environment: Arc<CallerEnvironment>,
    /// Its working folder, which is that of a process on this machine.
    pub folder: PathBuf,
    /// Socket of its SSH agent, which is used for new connections.
    pub agent: Option<PathBuf>,
}

/// Whether a process that stays up is kept for further requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// It ends after its reply. A process that is kept already serves the request all the same, and is kept on.
    No,
    /// It is kept as long as the scheduler lives. Requests at the same time get a process each.
    WhileHere,
    /// It is kept for the model's `keepalive`, counted from the end of its last request. At most `instances` processes of a
    /// model are kept on a server; further requests wait for them in their order.
    ByKeepalive,
}

/// One request to one model.
#[derive(Debug)]
pub struct Request<'a> {
    /// Id of the request, made by its sender.
    pub uid: Uuid,
    /// The sender; `None` for the process of the scheduler.
    pub requester: Option<Arc<Requester>>,
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
    /// Whether a process that stays up is kept for further requests.
    pub keep: Retention,
    /// Number of attempts that another process has made of the request; its own are numbered from there.
    pub attempts_made: u32,
    /// Number of further attempts after a failure of transport, and after a kept process died before its reply began.
    pub retries: u32,
    /// Whether further attempts are made also after the model itself failed.
    pub retry_failed: bool,
    /// Place among waiting requests, from -10 to 10; a greater number is served earlier.
    pub priority: i8,
    /// Uid of the batch that it is an item or a part of.
    pub batch_uid: Option<Uuid>,
    /// The jobs in one of which a process that ends with its request runs on a cluster. Without them it has one for itself.
    pub jobs: Option<JobPool>,
    /// Tags for the access log.
    pub tags: BTreeMap<String, String>,
    /// What served the request on behalf of its sender, for the access log.
    pub via: Option<String>,
    /// Ends the run early.
    pub cancel: Cancel,
    /// Receives what the request is waiting for.
    pub watch: Option<WaitObserver>,
    /// Receives further attempts before they begin.
    pub attempts: Option<AttemptObserver>,
}

/// Receivers of a model's output while it runs.
#[derive(Debug)]
pub struct Output {
    /// Stdout, byte for byte. The run is cancelled if the receiver is dropped.
    pub stdout: mpsc::Sender<Bytes>,
    /// Stderr. It never delays the model: chunks that the receiver cannot take at once are dropped.
    pub stderr: Option<mpsc::Sender<Bytes>>,
}

impl Output {
    /// Takes the output only, and not the diagnostics.
    #[must_use]
    pub const fn only(chunks: mpsc::Sender<Bytes>) -> Self {
        Self { stdout: chunks, stderr: None }
    }
}
