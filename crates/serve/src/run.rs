//! One run, from its request to its end.

use std::{rc::Rc, time::Duration};

use bytes::{Bytes, BytesMut};
use mer_client::wire::{
    DeclineReason, Declined, ErrorMessage, Frame, FrameReader, Open, PartCounts, ProgressMessage, Reserved, RunEnd,
    Stream,
};
use mer_core::{LOCAL_SERVER, Selector};
use mer_meal::{Cancel, CancelLevel, Input};
use mer_scheduler::{
    AttemptObserver, DeliveryEvent, DeliveryObserver, Outcome, Output, OutputConfirmation, Retention, WaitObserver,
};
use mer_service::{ModelHost as _, ResolvedModel, RunRequest, ServiceError};
use tokio::{
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    time::timeout,
};

use crate::{
    caller::sender,
    input::{ClientInput, ClientWords},
    output::ClientOutput,
    part::serve_part,
    peer,
    resident_state::Resident,
};

/// Bound on the request, after the connection was taken over.
const OPEN_BOUND: Duration = Duration::from_secs(5);
/// Bound on the answer to a request, and on the client's word that the run may start.
const GO_BOUND: Duration = Duration::from_secs(10);
/// Bound on telling the client how its run ended. The run is on record by then.
const END_BOUND: Duration = Duration::from_secs(30);
/// Bound on the last diagnostics of a run that is over.
const STDERR_BOUND: Duration = Duration::from_secs(5);
/// Maximum number of chunks of output that wait for the client.
const OUTPUT_QUEUE: usize = 4;
/// Maximum number of chunks of diagnostics that wait; further ones are only in the log.
const STDERR_QUEUE: usize = 64;
/// Maximum number of chunks of input that wait for the model.
const INPUT_QUEUE: usize = 4;

/// Serves a run on a connection. `read` was read of it already.
pub(crate) async fn serve_run(resident: &Rc<Resident>, stream: UnixStream, read: BytesMut) {
    let (reader, writer) = stream.into_split();
    let mut frames = FrameReader::new(reader, read);
    let client = ClientOutput::new(writer);
    let Ok(Ok(Some(Frame { stream: Stream::Open, payload }))) = timeout(OPEN_BOUND, frames.next()).await else {
        tracing::debug!("a client sent no request");
        return;
    };
    let _active = resident.life.begin();
    let answer = match serde_json::from_slice::<Open>(&payload) {
        Ok(open) => decide(resident, open).await,
        // An older or newer client may send other fields.
        Err(_) => Decision::Declined(DeclineReason::Version),
    };
    let told = async {
        match &answer {
            Decision::Reserved(reserved, ..) => client.send_json(Stream::Reserved, reserved).await,
            Decision::Declined(reason) => {
                client.send_json(Stream::Declined, &Declined { reason: *reason, attempts: 0 }).await
            }
            Decision::Refused(message) => client.send_json(Stream::Refused, message).await,
        }
    };
    let is_told = matches!(timeout(GO_BOUND, told).await, Ok(Ok(())));
    let Decision::Reserved(_, open, model, keep) = answer else { return };
    // Nothing starts before the client says so: it may have given this resident up, and run the model by itself.
    if !is_told {
        return;
    }
    let Ok(Ok(Some(Frame { stream: Stream::Go, .. }))) = timeout(GO_BOUND, frames.next()).await else { return };
    // The word may be old: this process may have been stopped meanwhile, and its client be gone.
    if peer::is_gone(client.writer().await.as_ref()) {
        return;
    }
    let takes_back = open.takes_back;
    let ended = run(resident, *open, &model, keep, frames, &client).await;
    let told = async {
        match ended {
            Ok((outcome, _)) if takes_back && outcome.lacks_secret() => {
                resident.note_lack_of_secret(&outcome.access.server);
                let declined = Declined { reason: DeclineReason::Secret, attempts: outcome.access.attempt };
                client.send_json(Stream::Declined, &declined).await
            }
            Ok((outcome, part)) => {
                let hint = resident.messages.hint(&outcome);
                client.send_json(Stream::End, &RunEnd { part, ..RunEnd::new(outcome, hint) }).await
            }
            Err(error) => client.send_json(Stream::Refused, &resident.messages.error(error)).await,
        }
    };
    let _ = timeout(END_BOUND, told).await;
    resident.after_run();
}

/// What becomes of a request.
enum Decision {
    Reserved(Reserved, Box<Open>, ResolvedModel, Retention),
    Declined(DeclineReason),
    Refused(ErrorMessage),
}

async fn decide(resident: &Resident, open: Open) -> Decision {
    if open.mer_version != resident.mer_version {
        return Decision::Declined(DeclineReason::Version);
    }
    if resident.life.is_leaving() {
        return Decision::Declined(DeclineReason::Leaving);
    }
    let selector: Selector = match open.model.parse() {
        Ok(selector) => selector,
        Err(_) => Selector::current(&open.model),
    };
    let model = match resident.runtime.resolve(&selector).await {
        Ok(model) => model,
        Err(error) => return Decision::Refused(resident.messages.error(error)),
    };
    if open.registration_sha256.as_ref().is_some_and(|wanted| *wanted != model.registration_sha256()) {
        return Decision::Declined(DeclineReason::Changed);
    }
    let lacks_secrets =
        || model.model().spec.servers_within(open.server.as_deref()).all(|server| resident.lacks_secret(server));
    if open.takes_back && lacks_secrets() {
        return Decision::Declined(DeclineReason::Secret);
    }
    match keep(resident, &model, open.server.as_deref()) {
        // A batch keeps its own processes as long as it lasts.
        Some(Retention::No) if open.batch_uid.is_some() => Decision::Declined(DeclineReason::RunHere),
        None => Decision::Declined(DeclineReason::RunHere),
        Some(keep) => Decision::Reserved(Reserved { model: model.model().name.clone() }, Box::new(open), model, keep),
    }
}

/// Returns whether the process is kept, or nothing if the caller is to run it by itself: a process of this machine that ends
/// with its request.
fn keep(resident: &Resident, model: &ResolvedModel, server: Option<&str>) -> Option<Retention> {
    let spec = &model.model().spec;
    let mut all_remote = true;
    let mut kept = false;
    for name in spec.servers_within(server) {
        let is_local = name == LOCAL_SERVER || model.starts_here(name);
        all_remote &= !is_local;
        kept |= spec.on_server(name).is_kept();
    }
    let is_loaded = || resident.runtime.keeps(Some(&model.model().name));
    if kept || is_loaded() {
        return Some(Retention::ByKeepalive);
    }
    all_remote.then_some(Retention::No)
}

fn empty() -> Input {
    Input::Bytes(Bytes::new())
}

/// Runs the model, and forwards what comes and goes.
async fn run(
    resident: &Resident,
    open: Open,
    model: &ResolvedModel,
    keep: Retention,
    frames: FrameReader<OwnedReadHalf>,
    client: &ClientOutput<OwnedWriteHalf>,
) -> Result<(Outcome, Option<PartCounts>), ServiceError> {
    let cancel = Cancel::new();
    let (input, received) = mpsc::channel(INPUT_QUEUE);
    let (stdout, chunks) = mpsc::channel(OUTPUT_QUEUE);
    let (stderr, diagnostics) = mpsc::channel(STDERR_QUEUE);
    let (wait, waits) = watch::channel(None);
    let (attempts, further) = AttemptObserver::new();
    let (progress, delivery) = watch::channel(None);
    let (confirmation, confirms) = OutputConfirmation::new();
    let (from_client, words) = ClientInput::new(frames, input, cancel.clone(), open.part.is_some());
    let ClientWords { taken, written, reader } = words;
    let is_part = open.part.is_some();
    let (input, received) = if is_part { (empty(), Some(received)) } else { (Input::Stream(received), None) };
    let request = RunRequest {
        sender: Some(sender(open.request_uid, open.context)),
        server: open.server.as_deref(),
        input,
        timeout: open.timeout,
        hashes: open.hashes,
        keep,
        retries: open.retries,
        retry_failed: open.retry_failed,
        priority: open.priority,
        batch_uid: open.batch_uid,
        tags: open.tags,
        cancel: cancel.clone(),
        watch: Some(WaitObserver::new(move |waited| {
            let _ = wait.send(waited.map(|waited| waited.to_string()));
        })),
        progress: open.progress.then(|| DeliveryObserver::new(move |event| note_progress(&progress, event))),
        attempts: Some(attempts),
    };
    let takes_back = open.takes_back;
    let output = Output { stdout, stderr: open.diagnostics.then_some(stderr) };
    let attempts_made = open.attempts_made;
    let runtime = &resident.runtime;
    let running = async {
        match (open.part, received) {
            (Some(part), Some(received)) => {
                let served =
                    serve_part(runtime, model, (request, attempts_made), part, received, output.stdout, confirmation)
                        .await;
                served.map(|(outcome, counts)| (outcome, Some(counts)))
            }
            _ => runtime.run(model, request, output, confirmation).await.map(|outcome| (outcome, None)),
        }
    };
    let ended = async {
        let forwarding = async {
            tokio::join!(client.forward_stdout(chunks, confirms, written, reader), client.forward_stderr(diagnostics))
        };
        tokio::pin!(running, forwarding);
        let outcome = tokio::select! {
            biased;
            outcome = &mut running => outcome,
            _ = &mut forwarding => return running.await,
        };
        // The client runs it by itself: to it, the output has not come to its end.
        if takes_back && outcome.as_ref().is_ok_and(|(outcome, _)| outcome.lacks_secret()) {
            return outcome;
        }
        let _ = timeout(STDERR_BOUND, forwarding).await;
        outcome
    };
    let stopped = async {
        resident.end.reached(CancelLevel::Cancel).await;
        cancel.cancel();
    };
    let meanwhile = async {
        tokio::join!(from_client.receive(), client.forward_progress(further, waits, taken, delivery), stopped);
    };
    tokio::pin!(ended, meanwhile);
    tokio::select! {
        biased;
        outcome = &mut ended => outcome,
        // Receiving does not end by itself.
        () = &mut meanwhile => ended.await,
    }
}

/// Notes how far a delivery is; nothing once it is over.
fn note_progress(progress: &watch::Sender<Option<ProgressMessage>>, event: DeliveryEvent<'_>) {
    progress.send_replace(match event {
        DeliveryEvent::Transferred { version, server, bytes } => {
            Some(ProgressMessage { server: server.to_owned(), version: version.clone(), bytes })
        }
        _ => None,
    });
}
