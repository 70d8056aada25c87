//! The choice between the resident and this process.

use std::{cell::RefCell, collections::HashSet, path::PathBuf};

use mer_client::{
    Answer, ClientError, Location, Reservation, steer,
    wire::{CallerContext, DeclineReason},
};
use mer_core::Selector;
use mer_meal::Input;
use mer_scheduler::Retention;
use mer_service::{Caller, ModelHost as _, ResolvedModel, RunRequest, Runtime};
use uuid::Uuid;

use super::{
    address::database_identity,
    message::{caller_context, open_message},
    on_demand::{NotStarted, Starter},
    relay::refused,
};
use crate::{
    config::{Environment, Loaded},
    errors::CliError,
};

/// A request that is about to run.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// In this process.
    Here(Box<ResolvedModel>),
    /// In the resident, which waits for the word to start.
    There(Reserved),
}

/// A request that the resident has reserved.
#[derive(Debug)]
pub(crate) struct Reserved {
    pub(super) reservation: Box<Reservation>,
    pub(super) request_uid: Uuid,
    /// The model, for an attempt in this process.
    pub(super) selector: Selector,
    /// Whether this process runs it if the resident lacks a secret for the connection.
    pub(super) takes_back: bool,
}

/// Whether a resident is asked to run a model.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AskResident {
    /// It is not.
    No,
    /// It is.
    Yes {
        /// Whether the model's diagnostics are wanted while it runs.
        diagnostics: bool,
    },
}

/// Chooses where models run.
#[derive(Debug)]
pub(crate) struct Engine {
    /// The socket of the resident; none if no other process can open the database.
    location: Option<Location>,
    /// Whether runs may go to the resident.
    is_used: bool,
    /// Whether a person may be asked for a secret.
    asks: bool,
    context: Option<CallerContext>,
    starter: Starter,
    /// Models that further lines of this process run here, as they were named.
    here: RefCell<HashSet<String>>,
}

impl Engine {
    /// Touches nothing.
    pub(crate) fn new(
        loaded: &Loaded,
        database: &mer_dal::Settings,
        caller: &Caller,
        environment: &Environment,
        asks: bool,
    ) -> Self {
        let Environment { variables, cwd, .. } = environment;
        Self {
            location: database_identity(database).map(|identity| location(loaded, &identity)),
            is_used: loaded.settings.serve,
            asks,
            context: caller_context(caller, variables, cwd),
            starter: Starter::new(loaded, database, variables),
            here: RefCell::default(),
        }
    }

    /// Returns the place of the resident's socket; none if no other process can open the database.
    pub(crate) const fn location(&self) -> Option<&Location> {
        self.location.as_ref()
    }

    /// Returns the folder of the locks on resources. Databases in memory share one.
    pub(crate) fn limits_folder(&self) -> PathBuf {
        self.location.clone().unwrap_or_else(|| Location::of("mem://")).limits()
    }

    /// Starts a resident, unless this process may not.
    ///
    /// # Errors
    /// [`NotStarted`].
    pub(crate) async fn start_resident(&self, location: &Location) -> Result<(), NotStarted> {
        self.starter.start(location).await
    }

    /// The same for a run, which goes on without one. Returns whether it answers.
    pub(super) async fn has_started_resident(&self, location: &Location) -> bool {
        match self.start_resident(location).await {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "the run goes on without a resident");
                false
            }
        }
    }

    /// Tells the resident, where there is one, that the registry was changed. Without the word it notices at its next request,
    /// and an idle process of an earlier registration stays until then.
    pub(crate) async fn tell_registry_change(&self) {
        let Some(location) = self.location.as_ref().filter(|_| self.is_used) else { return };
        match steer::registry_changed(location).await {
            Ok(_) | Err(ClientError::NoResident) => {}
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "the resident was not told of the change");
            }
        }
    }

    /// Returns the resident's socket and the caller as it takes it, if runs may go to the resident.
    pub(super) fn resident(&self) -> Option<(&Location, &CallerContext)> {
        self.location.as_ref().zip(self.context.as_ref()).filter(|_| self.is_used)
    }

    /// Whether a resident is to be started for a request to this model.
    pub(super) fn wants_resident(&self, model: &ResolvedModel, server: Option<&str>) -> bool {
        self.starter.wants(model, server)
    }

    /// Returns the caller, as the resident takes it.
    pub(crate) const fn context(&self) -> Option<&CallerContext> {
        self.context.as_ref()
    }

    /// Finds out where a request runs, and looks up its model there. Nothing is started before the run begins. Without a
    /// resident one is started, if the model has a `keepalive`.
    ///
    /// # Errors
    /// There is no such model, or the database cannot be read.
    pub(crate) async fn prepare(
        &self,
        runtime: &Runtime,
        (name, selector): (&str, &Selector),
        request: &RunRequest<'_>,
        asks: AskResident,
    ) -> Result<Prepared, CliError> {
        let resident = self.resident().filter(|_| !self.here.borrow().contains(name));
        let (Some((location, context)), AskResident::Yes { diagnostics }) = (resident, asks) else {
            return self.prepare_here(runtime, name, selector, request).await;
        };
        // An input that is a stream is kept for it, which is worth the memory only where a person may be asked.
        let takes_back = self.asks || matches!(request.input, Input::Bytes(_));
        let open = open_message(name, request, diagnostics, takes_back, context);
        let there = |reservation| Reserved {
            reservation,
            request_uid: open.request_uid,
            selector: selector.clone(),
            takes_back,
        };
        match Reservation::open(location, &open).await {
            Err(ClientError::NoResident) => {}
            answer => match reserved(location, answer).await? {
                Some(reservation) => return Ok(Prepared::There(there(reservation))),
                None => return self.prepare_here(runtime, name, selector, request).await,
            },
        }
        let model = runtime.resolve(selector).await?;
        if self.starter.wants(&model, request.server) && self.has_started_resident(location).await {
            let answer = Reservation::open(location, &open).await;
            if let Some(reservation) = reserved(location, answer).await? {
                return Ok(Prepared::There(there(reservation)));
            }
        }
        self.stay_here(name, request);
        Ok(Prepared::Here(Box::new(model)))
    }

    async fn prepare_here(
        &self,
        runtime: &Runtime,
        name: &str,
        selector: &Selector,
        request: &RunRequest<'_>,
    ) -> Result<Prepared, CliError> {
        let model = runtime.resolve(selector).await?;
        self.stay_here(name, request);
        Ok(Prepared::Here(Box::new(model)))
    }

    /// Notes that further requests to a model run here, if this process keeps its processes itself.
    fn stay_here(&self, name: &str, request: &RunRequest<'_>) {
        if request.keep == Retention::WhileHere {
            self.here.borrow_mut().insert(name.to_owned());
        }
    }
}

fn location(loaded: &Loaded, identity: &str) -> Location {
    let Some(folder) = &loaded.settings.runtime_dir else { return Location::of(identity) };
    Location::within(folder, identity).unwrap_or_else(|| {
        tracing::warn!(
            "`{}` is too long for the path of a socket; the default of `runtimeDir` is used",
            folder.display()
        );
        Location::of(identity)
    })
}

/// Returns the reservation, or none if the run is to go on here.
///
/// # Errors
/// The request is wrong, wherever it runs.
async fn reserved(
    location: &Location,
    answer: Result<Answer, ClientError>,
) -> Result<Option<Box<Reservation>>, CliError> {
    match answer {
        Ok(Answer::Reserved(reservation)) => return Ok(Some(reservation)),
        Ok(Answer::Refused(message)) => return Err(refused(message)),
        Ok(Answer::Declined(declined)) => {
            tracing::debug!(reason = ?declined.reason, "the resident does not run this");
            if declined.reason == DeclineReason::Version
                && let Err(error) = steer::leave(location).await
            {
                tracing::debug!(error = &error as &dyn std::error::Error, "the resident was not asked to end");
            }
        }
        Err(error) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "the run goes on without a resident");
        }
    }
    Ok(None)
}
