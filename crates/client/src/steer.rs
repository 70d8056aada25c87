//! Lists, loads and stops kept processes, and asks a resident to end.

use std::time::Duration;

use mer_core::KeptProcess;

use crate::{
    connection::ask,
    error::ClientError,
    liveness::{version_within, while_responsive},
    location::Location,
    wire::{
        CallerContext, LoadRequest, PATH_LEAVE, PATH_LOAD, PATH_PS, PATH_REGISTRY_CHANGED, PATH_STOP, Processes,
        RunEnd, StopRequest, VersionMessage,
    },
};

/// Bound on answers that need no model.
const BOUND: Duration = Duration::from_secs(5);

/// Bound on a word that the resident can do without: it looks at the registry at each request.
const WORD_BOUND: Duration = Duration::from_secs(2);

/// Returns version and process id of the resident.
///
/// # Errors
/// [`ClientError`]; [`ClientError::NoResident`] if there is none.
pub async fn version(location: &Location) -> Result<VersionMessage, ClientError> {
    version_within(location, BOUND).await
}

/// Returns the kept processes.
///
/// # Errors
/// As [`version`].
pub async fn processes(location: &Location) -> Result<Vec<KeptProcess>, ClientError> {
    ask::<Processes>(location, "GET", PATH_PS, None::<&()>, Some(BOUND)).await.map(|answer| answer.processes)
}

/// Loads a model, and returns once it is ready, or has failed to be.
///
/// # Errors
/// As [`version`], and those of the load; [`ClientError::Unresponsive`] if the resident has not answered for some minutes.
pub async fn load(location: &Location, model: &str, context: Option<CallerContext>) -> Result<RunEnd, ClientError> {
    let request = LoadRequest { model: model.to_owned(), context };
    // The bounds of the model's start apply.
    while_responsive(location, ask(location, "POST", PATH_LOAD, Some(&request), None)).await
}

/// Stops processes, and returns those that were stopped.
///
/// # Errors
/// As [`version`]; [`ClientError::Unresponsive`] if the resident has not answered for some minutes.
pub async fn stop(location: &Location, request: &StopRequest) -> Result<Vec<KeptProcess>, ClientError> {
    let asked = ask::<Processes>(location, "POST", PATH_STOP, Some(request), None);
    while_responsive(location, asked).await.map(|answer| answer.processes)
}

/// Asks the resident to end once it is idle. It takes no further requests.
///
/// # Errors
/// As [`version`].
pub async fn leave(location: &Location) -> Result<VersionMessage, ClientError> {
    ask(location, "POST", PATH_LEAVE, Some(&()), Some(BOUND)).await
}

/// Tells the resident that the registry has changed, so that it acts on the new one at once.
///
/// # Errors
/// As [`version`].
pub async fn registry_changed(location: &Location) -> Result<VersionMessage, ClientError> {
    ask(location, "POST", PATH_REGISTRY_CHANGED, Some(&()), Some(WORD_BOUND)).await
}
