//! Serves a request with a process that is ready: sends the input, forwards the output, and judges the end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use mer_core::{Access, FailureKind, RunSpec, Status};
use mer_meal::{Cancel, EndCause, Input, RequestEnd, Run, Sinks, StderrHook, oneshot};
use tokio::sync::mpsc;

use crate::{
    Output, WaitObserver,
    digest::Digest,
    kept::{Lease, PooledProcess},
    outcome::Verdict,
    output_forwarding::{LateRun, forward, run_and_forward},
    placement::{Placement, ProcessLocation},
    record::millis,
    start::ReadyProcess,
    training_output::TrainingOutput,
};

/// Maximum number of output chunks that wait for the reader.
const OUTPUT_QUEUE: usize = 8;

/// What a process is sent, and how its request is bounded.
pub(crate) struct Exchange<'a> {
    pub(crate) input: Input,
    pub(crate) spec: &'a RunSpec,
    pub(crate) hashes: bool,
    pub(crate) cancel: &'a Cancel,
    pub(crate) observer: Option<&'a WaitObserver>,
}

/// Serves a request. Returns the verdict, and for a training the place that it wrote to.
pub(crate) async fn serve(
    process: ReadyProcess,
    access: &mut Access,
    placement: &Placement,
    exchange: Exchange<'_>,
    output: Output,
) -> (Verdict, Option<Box<TrainingOutput>>) {
    let location = placement.location();
    match process {
        ReadyProcess::Once(run, training_output) => {
            (serve_once(access, *run, location, exchange, output).await, training_output)
        }
        ReadyProcess::Unkept(mut process) => {
            let (ended, sent) = serve_staying(access, &mut process, false, exchange, output).await;
            let verdict = Verdict::of_reply(access, &ended, location);
            access.stdin_bytes = access.stdin_bytes.min(sent);
            (verdict, None)
        }
        ReadyProcess::Kept(lease) => (serve_kept(access, *lease, location, exchange, output).await, None),
        ReadyProcess::Loaded => (Verdict::succeeded(), None),
    }
}

/// Serves a request with a process of its own.
async fn serve_once(
    access: &mut Access,
    run: Run,
    location: ProcessLocation,
    exchange: Exchange<'_>,
    output: Output,
) -> Verdict {
    let Exchange { input, spec, hashes, cancel, observer } = exchange;
    let sent = Arc::new(Mutex::new(Digest::new(hashes)));
    let hook_sent = Arc::clone(&sent);
    let (stdout, received) = mpsc::channel(OUTPUT_QUEUE);
    let sinks = Sinks {
        stdout,
        sent: Some(Box::new(move |chunk| lock(&hook_sent).update(&chunk))),
        stderr: output.stderr.as_ref().map(stderr_hook),
    };
    let run = oneshot(run, input, sinks, &spec.bounds, cancel);
    let forwarding = forward(received, output.stdout, hashes);
    let late = LateRun { model: &access.model, bound: spec.bounds.timeout, observer };
    let (ended, stdout_hash) = run_and_forward(run, forwarding, late, cancel).await;
    let digest = std::mem::replace(&mut *lock(&sent), Digest::new(false));
    access.stdin_sha256 = digest.finish().1;
    access.stdout_sha256 = stdout_hash;
    access.run_ms = Some(millis(ended.run));
    Verdict::of_oneshot(access, &ended, location)
}

/// Serves a request with a kept process, and gives the process back.
async fn serve_kept(
    access: &mut Access,
    mut lease: Lease,
    location: ProcessLocation,
    exchange: Exchange<'_>,
    output: Output,
) -> Verdict {
    let Some(process) = lease.process() else {
        return Verdict::new(Status::Failed, FailureKind::Bug, "the kept process is gone");
    };
    if let Some(job) = process.process.job() {
        access.job_id = Some(job.id.clone());
    }
    let (ended, sent) = serve_staying(access, process, true, exchange, output).await;
    let is_alive = process.process.is_alive();
    let location = if is_alive { ProcessLocation::Serving } else { location };
    let mut verdict = Verdict::of_reply(access, &ended, location);
    // Only the caller's input counts, without the framing around it.
    access.stdin_bytes = access.stdin_bytes.min(sent);
    verdict.died_unheard = ended.cause == EndCause::Died && ended.stdout_bytes == 0;
    lease.end_use(&ended.cause, 1, verdict, is_alive)
}

/// Sends a request to a process that stays up. Returns how it ended, and the length of its input in bytes.
async fn serve_staying(
    access: &mut Access,
    process: &mut PooledProcess,
    is_kept: bool,
    exchange: Exchange<'_>,
    output: Output,
) -> (RequestEnd, u64) {
    let Exchange { input, spec, hashes, cancel, observer } = exchange;
    let payload = match input {
        Input::Bytes(payload) => payload,
        // `read_whole_input` has replaced streams by bytes.
        Input::Stream(_) => Bytes::new(),
    };
    let mut sent = Digest::new(hashes);
    sent.update(&payload);
    access.stdin_sha256 = sent.finish().1;
    let (stdout, received) = mpsc::channel(OUTPUT_QUEUE);
    process.stderr.set(output.stderr);
    let timeout = spec.bounds.timeout;
    let reply = async {
        let stdout = stdout;
        match is_kept {
            true => process.process.request(&payload, &stdout, timeout, cancel).await,
            false => process.process.last_request(&payload, &stdout, timeout, cancel).await,
        }
    };
    let forwarding = forward(received, output.stdout, hashes);
    let late = LateRun { model: &access.model, bound: timeout, observer };
    let (ended, stdout_hash) = run_and_forward(reply, forwarding, late, cancel).await;
    process.stderr.set(None);
    access.stdout_sha256 = stdout_hash;
    access.run_ms = Some(millis(ended.run));
    (ended, payload.len() as u64)
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
