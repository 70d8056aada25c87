//! Serves a request with a process that is ready: sends the input, forwards the output, and judges the end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use mer_core::{Access, RunSpec};
use mer_meal::{Input, Run, Sinks, StderrHook, oneshot};
use tokio::sync::mpsc;

use crate::{
    Keep, Output, Request,
    digest::Digest,
    outcome::Verdict,
    output_forwarding::{LateRun, forward, run_and_forward},
    placement::{Placement, ProcessLocation},
    record::millis,
    start::ReadyProcess,
    training_output::TrainingOutput,
    warm_pool::{PooledProcess, WarmPool},
};

/// Maximum number of output chunks that wait for the reader.
const OUTPUT_QUEUE: usize = 8;

/// Serves a request. Returns the verdict, and for a training the place that it wrote to.
pub(crate) async fn serve(
    process: ReadyProcess,
    access: &mut Access,
    spec: &RunSpec,
    placement: &Placement,
    warm_pool: &WarmPool,
    request: Request<'_>,
    output: Output,
) -> (Verdict, Option<Box<TrainingOutput>>) {
    match process {
        ReadyProcess::Once(run, training_output) => {
            (serve_once(access, *run, spec, placement.location(), request, output).await, training_output)
        }
        ReadyProcess::Warm(process) => {
            (serve_warm(access, *process, placement.location(), warm_pool, request, output).await, None)
        }
    }
}

/// Serves a request with a process of its own.
async fn serve_once(
    access: &mut Access,
    run: Run,
    spec: &RunSpec,
    location: ProcessLocation,
    request: Request<'_>,
    output: Output,
) -> Verdict {
    let hashes = request.hashes;
    let sent = Arc::new(Mutex::new(Digest::new(hashes)));
    let hook_sent = Arc::clone(&sent);
    let (stdout, received) = mpsc::channel(OUTPUT_QUEUE);
    let sinks = Sinks {
        stdout,
        sent: Some(Box::new(move |chunk| lock(&hook_sent).update(&chunk))),
        stderr: output.stderr.as_ref().map(stderr_hook),
    };
    let run = oneshot(run, request.input, sinks, &spec.bounds, &request.cancel);
    let forwarding = forward(received, output.stdout, hashes);
    let late = LateRun { model: &access.model, bound: spec.bounds.timeout, observer: request.watch.as_ref() };
    let (ended, stdout_hash) = run_and_forward(run, forwarding, late, &request.cancel).await;
    let digest = std::mem::replace(&mut *lock(&sent), Digest::new(false));
    access.stdin_sha256 = digest.finish().1;
    access.stdout_sha256 = stdout_hash;
    access.run_ms = Some(millis(ended.run));
    Verdict::of_oneshot(access, &ended, location)
}

/// Serves a request with a process that stays up, and puts the process back into the pool if it is still alive.
async fn serve_warm(
    access: &mut Access,
    mut process: PooledProcess,
    mut location: ProcessLocation,
    warm_pool: &WarmPool,
    request: Request<'_>,
    output: Output,
) -> Verdict {
    let payload = match request.input {
        Input::Bytes(payload) => payload,
        // `read_whole_input` has replaced streams by bytes.
        Input::Stream(_) => Bytes::new(),
    };
    let hashes = request.hashes;
    let mut sent = Digest::new(hashes);
    sent.update(&payload);
    access.stdin_sha256 = sent.finish().1;
    let (stdout, received) = mpsc::channel(OUTPUT_QUEUE);
    process.stderr.set(output.stderr);
    let timeout = process.spec.bounds.timeout;
    let reply = async {
        let stdout = stdout;
        if request.keep != Keep::No {
            process.process.request(&payload, &stdout, timeout, &request.cancel).await
        } else {
            process.process.last_request(&payload, &stdout, timeout, &request.cancel).await
        }
    };
    let forwarding = forward(received, output.stdout, hashes);
    let late = LateRun { model: &access.model, bound: timeout, observer: request.watch.as_ref() };
    let (ended, stdout_hash) = run_and_forward(reply, forwarding, late, &request.cancel).await;
    process.stderr.set(None);
    access.stdout_sha256 = stdout_hash;
    access.run_ms = Some(millis(ended.run));
    if process.process.is_alive() {
        location = ProcessLocation::Serving;
        warm_pool.put(&access.model, &access.server, process);
    }
    let verdict = Verdict::of_reply(access, &ended, location);
    // Only the caller's input counts, without the framing around it.
    access.stdin_bytes = access.stdin_bytes.min(payload.len() as u64);
    verdict
}

/// Copies stderr to an observer. Chunks that the observer cannot take at once are dropped for it, but not for the log.
fn stderr_hook(observer: &mpsc::Sender<Bytes>) -> StderrHook {
    let observer = observer.clone();
    Arc::new(move |chunk: &[u8]| {
        let _ = observer.try_send(Bytes::copy_from_slice(chunk));
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
