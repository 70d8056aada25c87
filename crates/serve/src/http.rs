//! The connections: plain HTTP requests, and runs that take a connection over.

use std::{convert::Infallible, rc::Rc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CONNECTION, CONTENT_TYPE, HeaderValue, UPGRADE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use mer_client::wire::{
    ErrorMessage, LoadRequest, PATH_LEAVE, PATH_LOAD, PATH_PS, PATH_RUN, PATH_STOP, PATH_VERSION, PROTOCOL, Processes,
    RunEnd, StopRequest, VersionMessage,
};
use mer_core::{FailureKind, Selector};
use mer_meal::Cancel;
use mer_scheduler::Selection;
use mer_service::ModelHost as _;
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::UnixStream;
use uuid::Uuid;

use crate::{caller::sender, resident::Resident, run};

/// Bound on the head of a request.
const HEAD_BOUND: Duration = Duration::from_secs(10);
/// Bound on the body of a request.
const BODY_BOUND: Duration = Duration::from_secs(10);
/// Maximum number of bytes of a body.
const MAX_BODY: usize = 1 << 20;

type Answer = Response<Full<Bytes>>;

/// Serves one connection to its end.
pub(crate) async fn connection(resident: Rc<Resident>, stream: UnixStream) {
    let service = service_fn(|request| {
        let resident = Rc::clone(&resident);
        async move { Ok::<_, Infallible>(answer(&resident, request).await.unwrap_or_else(|error| failed(&error))) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_BOUND)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Answers one request.
async fn answer(resident: &Rc<Resident>, request: Request<Incoming>) -> Result<Answer, ErrorMessage> {
    let path = request.uri().path().to_owned();
    match (request.method(), path.as_str()) {
        (&Method::GET, PATH_VERSION) => json(&version(resident)),
        (&Method::GET, PATH_PS) => json(&Processes { processes: resident.runtime.processes() }),
        (&Method::POST, PATH_LEAVE) => {
            resident.life.leave();
            json(&version(resident))
        }
        (&Method::POST, PATH_LOAD) => load(resident, body(request).await?).await,
        (&Method::POST, PATH_STOP) => stop(resident, &body(request).await?).await,
        (&Method::GET, PATH_RUN) => upgrade(resident, request),
        (_, PATH_VERSION | PATH_PS | PATH_LEAVE | PATH_LOAD | PATH_STOP | PATH_RUN) => {
            Err(usage(format!("`{path}` does not take the method {}", request.method())))
        }
        _ => Err(ErrorMessage {
            kind: FailureKind::NotFound,
            message: format!("there is no path `{}`", path.escape_debug()),
            hints: vec![format!("{PATH_VERSION}, {PATH_PS}, {PATH_LOAD}, {PATH_STOP} and {PATH_RUN} are known")],
        }),
    }
}

fn version(resident: &Resident) -> VersionMessage {
    VersionMessage {
        mer_version: resident.mer_version.clone(),
        pid: std::process::id(),
        leaving: resident.life.is_leaving(),
    }
}

/// Takes the connection over for a run.
fn upgrade(resident: &Rc<Resident>, request: Request<Incoming>) -> Result<Answer, ErrorMessage> {
    if request.headers().get(UPGRADE).is_none_or(|protocol| protocol != PROTOCOL) {
        return Err(usage(format!("a run needs the header `Upgrade: {PROTOCOL}`")));
    }
    let resident = Rc::clone(resident);
    let upgraded = hyper::upgrade::on(request);
    tokio::task::spawn_local(async move {
        match upgraded.await {
            Ok(stream) => run::serve_run(&resident, TokioIo::new(stream)).await,
            Err(error) => tracing::debug!(%error, "a connection ended before its run"),
        }
    });
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.headers_mut().insert(UPGRADE, HeaderValue::from_static(PROTOCOL));
    Ok(answer)
}

async fn load(resident: &Rc<Resident>, request: LoadRequest) -> Result<Answer, ErrorMessage> {
    let _active = resident.life.begin();
    let selector: Selector = request.model.parse().map_err(|error| usage(format!("{error}")))?;
    let sender = request.context.map(|context| sender(Uuid::now_v7(), context));
    let cancel = Cancel::new();
    // A caller that goes away gives its load up.
    let guard = CancelOnDrop(cancel.clone());
    let loaded = async {
        let model = resident.runtime.resolve(&selector).await?;
        resident.runtime.load_kept(&model, sender, cancel).await
    };
    let outcome = loaded.await.map_err(|error| resident.messages.error(error))?;
    drop(guard);
    resident.runtime.after_run().await;
    let hint = resident.messages.hint(&outcome);
    json(&RunEnd { access: outcome.access, failure: outcome.failure, hint })
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
        _ => return Err(usage("name models or ids, or all".to_owned())),
    };
    let mut processes = Vec::new();
    for selection in selections {
        processes.extend(resident.runtime.stop_kept(&selection, request.now).await);
    }
    json(&Processes { processes })
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
        Err(ErrorMessage {
            kind: FailureKind::NotFound,
            message: format!("no kept process has the model or the id `{}`", name.escape_debug()),
            hints: vec!["`mer ps` shows all there are".to_owned()],
        })
    };
    names.iter().map(of).collect()
}

/// Reads the JSON of a request.
async fn body<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, ErrorMessage> {
    let whole = Limited::new(request.into_body(), MAX_BODY).collect();
    let whole = tokio::time::timeout(BODY_BOUND, whole).await;
    let whole = whole.map_err(|_| usage("the body did not come in time".to_owned()))?;
    let bytes = whole.map_err(|error| usage(format!("the body cannot be read: {error}")))?.to_bytes();
    serde_json::from_slice(&bytes).map_err(|error| usage(format!("the body is not what this path takes: {error}")))
}

fn usage(message: String) -> ErrorMessage {
    ErrorMessage { kind: FailureKind::Usage, message, hints: Vec::new() }
}

fn json(message: &impl Serialize) -> Result<Answer, ErrorMessage> {
    let bytes = serde_json::to_vec(message).map_err(|error| ErrorMessage {
        kind: FailureKind::Bug,
        message: format!("an answer cannot be written as JSON: {error}"),
        hints: Vec::new(),
    })?;
    let mut answer = Response::new(Full::new(bytes.into()));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(answer)
}

/// Returns the answer for a failure, with the status of its kind.
fn failed(error: &ErrorMessage) -> Answer {
    let mut answer = Response::new(Full::new(serde_json::to_vec(error).unwrap_or_default().into()));
    *answer.status_mut() = status(error.kind);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// Returns the HTTP status that fits a kind of failure.
const fn status(kind: FailureKind) -> StatusCode {
    match kind {
        FailureKind::Usage => StatusCode::BAD_REQUEST,
        FailureKind::Input => StatusCode::UNPROCESSABLE_ENTITY,
        FailureKind::NotFound => StatusCode::NOT_FOUND,
        FailureKind::Refused => StatusCode::FORBIDDEN,
        FailureKind::Busy => StatusCode::SERVICE_UNAVAILABLE,
        FailureKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        FailureKind::ModelFailed | FailureKind::Unreachable | FailureKind::Protocol => StatusCode::BAD_GATEWAY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
