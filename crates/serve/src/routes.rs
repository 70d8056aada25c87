//! The connections: plain HTTP requests, and runs that take a connection over.

use std::rc::Rc;

use mer_client::wire::{
    ErrorMessage, LoadRequest, PATH_LEAVE, PATH_LOAD, PATH_PS, PATH_REGISTRY_CHANGED, PATH_RUN, PATH_STOP,
    PATH_VERSION, PROTOCOL, Processes, RunEnd, StopRequest, VersionMessage,
};
use mer_core::{FailureKind, Selector};
use mer_meal::Cancel;
use mer_scheduler::Selection;
use mer_service::ModelHost as _;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use uuid::Uuid;

use crate::{
    caller::sender,
    http::{Answer, ReadError, Request, read_request},
    peer,
    resident_state::Resident,
    run::serve_run,
};

/// Serves one connection to its end.
pub(crate) async fn serve_connection(resident: &Rc<Resident>, mut stream: UnixStream) {
    let answer = match read_request(&mut stream).await {
        Ok(request) if request.path == PATH_RUN => match check_upgrade(&request) {
            Ok(()) => {
                if Answer::switch(&mut stream).await.is_ok() {
                    serve_run(resident, stream, request.rest).await;
                }
                return;
            }
            Err(error) => Err(error),
        },
        Ok(request) => tokio::select! {
            biased;
            answer = answer(resident, &request) => answer,
            // Dropping the request cancels what it waits for.
            () = peer::gone(&stream) => return,
        },
        Err(ReadError::Malformed(message)) => Err(usage(message)),
        Err(ReadError::Gone) => return,
    };
    let answer = answer.unwrap_or_else(|error| Answer::failure(&error));
    if let Err(error) = answer.write(&mut stream).await {
        tracing::debug!(%error, "an answer was not written");
    }
}

/// Answers one request.
async fn answer(resident: &Rc<Resident>, request: &Request) -> Result<Answer, ErrorMessage> {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", PATH_VERSION) => Answer::json(&version(resident)),
        ("GET", PATH_PS) => Answer::json(&Processes { processes: resident.runtime.processes() }),
        ("POST", PATH_LEAVE) => {
            resident.life.leave();
            Answer::json(&version(resident))
        }
        ("POST", PATH_REGISTRY_CHANGED) => {
            resident.runtime.retire_changed().await.map_err(|error| resident.messages.error(error))?;
            Answer::json(&version(resident))
        }
        ("POST", PATH_LOAD) => load(resident, body(request)?).await,
        ("POST", PATH_STOP) => stop(resident, &body(request)?).await,
        (method, PATH_VERSION | PATH_PS | PATH_LEAVE | PATH_LOAD | PATH_STOP | PATH_REGISTRY_CHANGED) => {
            Err(usage(format!("`{}` does not take the method {}", request.path, method.escape_debug())))
        }
        (_, path) => Err(ErrorMessage {
            hints: vec![format!(
                "{PATH_VERSION}, {PATH_PS}, {PATH_LOAD}, {PATH_STOP}, {PATH_LEAVE} and {PATH_RUN} are known"
            )],
            ..ErrorMessage::new(FailureKind::NotFound, format!("there is no path `{}`", path.escape_debug()))
        }),
    }
}

/// Checks that a request is one that takes the connection over.
fn check_upgrade(request: &Request) -> Result<(), ErrorMessage> {
    match (request.method.as_str(), request.upgrade.as_deref()) {
        ("GET", Some(PROTOCOL)) if request.body.is_empty() => Ok(()),
        _ => Err(usage(format!("a run is a GET with the header `Upgrade: {PROTOCOL}`"))),
    }
}

fn version(resident: &Resident) -> VersionMessage {
    VersionMessage {
        mer_version: resident.mer_version.clone(),
        pid: std::process::id(),
        leaving: resident.life.is_leaving(),
    }
}

async fn load(resident: &Rc<Resident>, request: LoadRequest) -> Result<Answer, ErrorMessage> {
    if resident.life.is_leaving() {
        return Err(busy("the resident is about to end and loads no model"));
    }
    let selector: Selector = request.model.parse().map_err(|error| usage(format!("{error}")))?;
    let sender = request.context.map(|context| sender(Uuid::now_v7(), context));
    let cancel = Cancel::new();
    // A caller that goes away gives its load up.
    let _given_up = CancelOnDrop(cancel.clone());
    // Its end is put on record also then, so that it is a task of its own.
    let resident = Rc::clone(resident);
    let loading = tokio::task::spawn_local(async move {
        let _active = resident.life.begin();
        let loaded = async {
            let model = resident.runtime.resolve(&selector).await?;
            resident.runtime.load_kept(&model, sender, cancel).await
        };
        let outcome = loaded.await.map_err(|error| resident.messages.error(error))?;
        resident.after_run();
        let hint = resident.messages.hint(&outcome);
        Ok(RunEnd::new(outcome, hint))
    });
    let ended =
        loading.await.map_err(|error| ErrorMessage::new(FailureKind::Bug, format!("the load ended: {error}")))?;
    Answer::json(&ended?)
}

/// Cancels when it is dropped.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

async fn stop(resident: &Rc<Resident>, request: &StopRequest) -> Result<Answer, ErrorMessage> {
    let _active = resident.life.begin();
    let selections = match (request.all, request.names.as_slice()) {
        (true, []) => vec![Selection::All],
        (false, names @ [_, ..]) => selections(resident, names)?,
        _ => return Err(usage("either `names` has models or ids, or `all` is true".to_owned())),
    };
    let mut processes = Vec::new();
    for selection in selections {
        processes.extend(resident.runtime.stop_kept(&selection, request.now).await);
    }
    Answer::json(&Processes { processes })
}

/// Returns what the names mean: ids before models.
fn selections(resident: &Resident, names: &[String]) -> Result<Vec<Selection>, ErrorMessage> {
    let known = resident.runtime.processes();
    let of = |name: &String| {
        if known.iter().any(|process| process.id == *name) {
            return Ok(Selection::Id(name.clone()));
        }
        if known.iter().any(|process| process.model == *name) {
            return Ok(Selection::Model(name.clone()));
        }
        let message = format!("no kept process has the model or the id `{}`", name.escape_debug());
        Err(ErrorMessage::new(FailureKind::NotFound, message))
    };
    names.iter().map(of).collect()
}

/// Reads the JSON of a request.
fn body<T: DeserializeOwned>(request: &Request) -> Result<T, ErrorMessage> {
    let wrong = |error| usage(format!("the body is not what `{}` takes: {error}", request.path));
    serde_json::from_slice(&request.body).map_err(wrong)
}

fn usage(message: String) -> ErrorMessage {
    ErrorMessage::new(FailureKind::Usage, message)
}

fn busy(message: &str) -> ErrorMessage {
    ErrorMessage::new(FailureKind::Busy, message)
}
