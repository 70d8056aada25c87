//! What a host of models can do. Commands and batches are written against it, so that they need not know whether models run
//! in this process or in another one.

use std::sync::Arc;

use mer_core::{Bound, Model, Selector, Tags, WeightsVersion};
use mer_meal::{Cancel, Input};
use mer_scheduler::{
    AttemptObserver, DeliveryObserver, ModelPingReport, Outcome, Output, OutputConfirmation, Requester, Retention,
    WaitObserver,
};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{error::ServiceError, view::View};

/// A registered model, and the version of weights that it is to work with.
#[derive(Debug, Clone)]
pub struct ResolvedModel {
    pub(crate) view: View,
    index: usize,
    /// The weights, where it is to be given any.
    pub weights: Option<WeightsVersion>,
}

impl ResolvedModel {
    /// The model of this name, as the view has it.
    ///
    /// # Errors
    /// [`ServiceError::UnknownObject`].
    pub fn new(view: View, name: &str, weights: Option<WeightsVersion>) -> Result<Self, ServiceError> {
        view.model(name)?;
        let index = view.model_index(name).unwrap_or_default();
        Ok(Self { view, index, weights })
    }

    /// Whether processes on a server of the model are started from this machine, and not by a launcher that is remote; a server
    /// that is not registered is this machine.
    #[must_use]
    pub fn starts_here(&self, server: &str) -> bool {
        if self.model().spec.on_server(server).launcher_remote == Some(true) {
            return false;
        }
        let found = self.view.servers.iter().find(|known| known.name == server);
        found.is_none_or(|found| found.spec.starts_here())
    }

    /// Returns the sha256, in hexadecimal, of what decides how the model runs: its registration and that of its servers.
    #[must_use]
    pub fn registration_sha256(&self) -> String {
        let spec = &self.model().spec;
        let names = spec.servers();
        let servers: Vec<_> = self
            .view
            .servers
            .iter()
            .filter(|server| names.contains(&server.name.as_str()))
            .map(|server| (&server.name, &server.spec))
            .collect();
        // Both are texts, numbers and lists, which can always be written.
        let text = serde_json::to_vec(&(spec, servers)).unwrap_or_default();
        format!("{:x}", Sha256::digest(&text))
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.view.models[self.index]
    }
}

/// The sender of a request, if it is another process than this one.
#[derive(Debug, Clone)]
pub struct Sender {
    /// Id of the request, made by the sender.
    pub request_uid: Uuid,
    /// The sender, for the log and for local processes.
    pub requester: Arc<Requester>,
    /// What served the request on behalf of the sender, for the log.
    pub via: String,
}

/// One request to a model.
#[derive(Debug)]
pub struct RunRequest<'a> {
    /// The sender; `None` for this process.
    pub sender: Option<Sender>,
    /// The only server that may serve it; `None` leaves the choice.
    pub server: Option<&'a str>,
    /// What the model is sent.
    pub input: Input,
    /// Overrides the timeout of the model.
    pub timeout: Option<Bound>,
    /// Whether input and output are hashed for the log.
    pub hashes: bool,
    /// Whether a process that stays up is kept for further requests.
    pub keep: Retention,
    /// Number of further attempts after a failure of transport, and after a kept process died before its reply began.
    pub retries: u32,
    /// Whether further attempts are made also after the model itself failed.
    pub retry_failed: bool,
    /// Place among waiting requests, from -10 to 10; a greater number is served earlier.
    pub priority: i8,
    /// The batch that it is an item or a part of.
    pub batch_uid: Option<Uuid>,
    /// Labels for the log of accesses.
    pub tags: Tags,
    /// Cancels the run.
    pub cancel: Cancel,
    /// Observes what the run waits for.
    pub watch: Option<WaitObserver>,
    /// Observes the weights on their way to the server.
    pub progress: Option<DeliveryObserver>,
    /// Observes further attempts before they begin.
    pub attempts: Option<AttemptObserver>,
}

/// A warm process: it waits for requests to its model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WarmModel {
    /// The model.
    pub model: String,
    /// The server that it runs on.
    pub server: String,
}

/// Runs models, and keeps their processes warm.
pub trait ModelHost {
    /// Looks up a model, and the weights that the selector means.
    ///
    /// # Errors
    /// There is no such model or version, or the database cannot be read.
    fn resolve(&self, selector: &Selector) -> impl Future<Output = Result<ResolvedModel, ServiceError>>;

    /// Runs one request. Output is forwarded as it comes, and `confirmation` confirms that it has arrived before the run is
    /// judged. The run is on record when this returns.
    ///
    /// # Errors
    /// The run could not be attempted, or not be put on record. A run that did not succeed is an [`Outcome`].
    fn run(
        &self,
        model: &ResolvedModel,
        request: RunRequest<'_>,
        output: Output,
        confirmation: OutputConfirmation,
    ) -> impl Future<Output = Result<Outcome, ServiceError>>;

    /// Loads the model on each of its servers, to find out whether it becomes ready there, and unloads it again. A model
    /// whose process does not stay up is only looked for.
    ///
    /// # Errors
    /// The registration is wrong, or the start could not be put on record.
    fn load(
        &self,
        model: &ResolvedModel,
        progress: Option<DeliveryObserver>,
        cancel: &Cancel,
    ) -> impl Future<Output = Result<Vec<ModelPingReport>, ServiceError>>;

    /// Ends every warm process, each within its grace period.
    fn stop(&self) -> impl Future<Output = ()>;

    /// Lists the warm processes that serve no request at the moment, by model and server.
    fn list(&self) -> impl Future<Output = Vec<WarmModel>>;
}
