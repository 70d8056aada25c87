//! The scheduler itself: one request, start to end.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use jiff::{Timestamp, Unit};
use mer_core::{Access, Bound, Claims, Kind, RunSpec, Status};
use mer_dal::{Durability, Journal};
use mer_meal::{
    BoundName, Cancel, CancelLevel, EndCause, Executor, Input, Run, Sinks, StderrHook, check_input, oneshot, until,
};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{
    Cache, CallerEnvironment, Delivery, Outcome, Output, Placement, Remote, Request, SchedulerError,
    digest::Digest,
    executors::Executors,
    handover::{self, Late},
    outcome::{There, Verdict},
    placement::placements,
    prepare::Ready,
    run_spec::{name_weights, run_spec},
    server_health::Down,
    training_output::Out,
    wait::{Wait, waiting},
    warm_pool::{Pool, Warm},
};

/// Chunks of output that may wait for their reader.
const OUTPUT_QUEUE: usize = 8;
/// The largest input that a process which stays up is sent: it is held in memory, since its framing is checked first.
const WARM_INPUT_BYTES: usize = 64 * 1024 * 1024;

/// What a scheduler works with.
#[derive(Debug)]
pub struct Config {
    /// Where processes of this machine are started.
    pub executor: Executor,
    /// Makes the executors of other machines.
    pub remote: Remote,
    /// Where weights lie on this machine.
    pub weights: Cache,
    /// Where accesses are written down.
    pub journal: Journal,
    /// The caller's environment, from which a model's is made.
    pub environment: Arc<CallerEnvironment>,
    /// `user@host` of the caller.
    pub caller: String,
    /// What the caller's environment says of the caller.
    pub caller_claims: Claims,
    /// The caller's process.
    pub caller_pid: u32,
}

/// Runs requests, keeps processes warm, and puts every attempt on record.
#[derive(Debug)]
pub struct Scheduler {
    pub(crate) config: Config,
    pub(crate) executors: Executors,
    pub(crate) pool: Pool,
    down: Down,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Attempted {
    /// It is over and on record.
    Over(Outcome),
    /// A process has served it, well or not. Its end is not on record yet.
    Served { access: Access, verdict: Verdict, out: Option<Box<Out>>, deadline: Option<Instant> },
}

impl Scheduler {
    /// A scheduler with no process yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let executors = Executors::new(config.executor.clone(), config.remote.clone());
        Self { config, executors, pool: Pool::default(), down: Down::default() }
    }

    /// Runs one request: its start is on record before a process starts or is sent anything, its end before this
    /// returns. Output is handed on as it comes, and `delivery` tells before the run is judged what became of it. The model's servers are tried in their order: the first that can be
    /// reached serves it, and each that cannot is an attempt of its own on record, and for a while asked after the others.
    ///
    /// # Errors
    /// [`SchedulerError`] where there was nothing to attempt. A run that was attempted and failed is an [`Outcome`].
    pub async fn run(
        &self,
        request: Request<'_>,
        output: Output,
        delivery: Delivery,
    ) -> Result<Outcome, SchedulerError> {
        let cancel = request.cancel.clone();
        Ok(match self.attempts(request, Path::new(""), output).await? {
            Attempted::Over(outcome) => outcome,
            Attempted::Served { mut access, verdict, deadline, .. } => {
                let verdict = handover::settle(delivery, &mut access, verdict, deadline, &cancel).await;
                self.record_end(access, verdict).await
            }
        })
    }

    /// Tries the servers one after the other. The end of the attempt that was served is not on record yet.
    pub(crate) async fn attempts(
        &self,
        request: Request<'_>,
        scratch: &Path,
        output: Output,
    ) -> Result<Attempted, SchedulerError> {
        self.config.environment.learn(request.servers);
        let mut placements = placements(request.model, request.servers, request.pinned)?;
        self.down.last(&mut placements, Instant::now());
        let request_uid = Uuid::now_v7();
        let mut request = request;
        let mut tried: Option<Outcome> = None;
        for (index, placement) in placements.iter().enumerate() {
            if let Some(before) = &tried {
                tell_of_detour(before, placement);
            }
            let attempt = u32::try_from(index + 1).unwrap_or(u32::MAX);
            let mut access =
                Access { request_uid, attempt, ..self.begin(&request.model.name, request.kind, placement) };
            let mut spec = run_spec(placement, &access, &self.config.environment, request.timeout)?;
            if let Some(weights) = &request.weights {
                name_weights(&weights.version, &mut access, &mut spec);
            }
            access.protocol = spec.protocol.name().to_owned();
            if spec.protocol.stays_up() {
                let input = std::mem::replace(&mut request.input, Input::Bytes(Bytes::new()));
                let timeout = spec.bounds.timeout;
                let wait = || Wait::Input { model: access.model.clone(), timeout };
                let collected = collect(&access.model, input, timeout, &request.cancel);
                let payload = match waiting(request.watch.as_ref(), wait, collected).await? {
                    Ok(payload) => payload,
                    Err(end) => {
                        self.record_start(&access, Durability::Written).await?;
                        let outcome = self.record_end(access, Verdict::not_collected(&end)).await;
                        return Ok(Attempted::Over(outcome));
                    }
                };
                check_input(spec.protocol, &spec.tokens, &payload)
                    .map_err(|source| SchedulerError::Input { model: access.model.clone(), source })?;
                request.input = Input::Bytes(payload);
            }
            let ready = self.make_ready(&mut access, &spec, placement, &request, &output, scratch).await?;
            match &ready {
                Err(verdict) if verdict.elsewhere => self.down.failed(placement, Instant::now()),
                Err(_) => {}
                Ok(_) => self.down.reached(placement),
            }
            // From here on the model has its input.
            let deadline = spec.bounds.timeout.deadline(Instant::now());
            let verdict = match ready {
                Ok(Ready::Once(run, out)) => {
                    let there = placement.there();
                    let verdict = self.serve_once(&mut access, *run, &spec, there, request, output).await;
                    return Ok(Attempted::Served { access, verdict, out, deadline });
                }
                Ok(Ready::Warm(warm)) => {
                    let verdict = self.serve_warm(&mut access, *warm, placement, request, output).await;
                    return Ok(Attempted::Served { access, verdict, out: None, deadline });
                }
                Err(verdict) => verdict,
            };
            let elsewhere = verdict.elsewhere;
            let outcome = self.record_end(access, verdict).await;
            if !elsewhere {
                return Ok(Attempted::Over(outcome));
            }
            tried = Some(outcome);
        }
        // A model runs on one server at least; `placements` has seen to it.
        let none = || SchedulerError::NoSuchServer { model: request.model.name.clone(), server: String::new() };
        tried.map(Attempted::Over).ok_or_else(none)
    }

    /// Where its accesses are written down.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.config.journal
    }

    /// Returns the model and the server of each process that is kept warm and serves no request, sorted.
    #[must_use]
    pub fn warm(&self) -> Vec<(String, String)> {
        self.pool.list()
    }

    /// Ends every process that is kept warm.
    pub async fn stop(&self) {
        self.pool.stop_all().await;
    }

    /// The record of an attempt that begins now.
    pub(crate) fn begin(&self, model: &str, kind: Kind, placement: &Placement) -> Access {
        Access {
            request_uid: Uuid::now_v7(),
            attempt: 1,
            model: model.to_owned(),
            server: placement.server.clone(),
            kind,
            protocol: String::new(),
            weights_version: None,
            weights_sha256: None,
            caller: self.config.caller.clone(),
            caller_pid: self.config.caller_pid,
            caller_claims: self.config.caller_claims.clone(),
            start_access: now(),
            stop_access: None,
            status: Status::Started,
            exit_code: None,
            signal: None,
            queue_ms: Some(0.0),
            connect_ms: Some(0.0),
            start_ms: None,
            run_ms: None,
            stdin_bytes: 0,
            stdout_bytes: 0,
            stderr_bytes: 0,
            stdin_sha256: None,
            stdout_sha256: None,
            stderr_tail: String::new(),
            error: None,
        }
    }

    /// One process, one request.
    async fn serve_once(
        &self,
        access: &mut Access,
        run: Run,
        spec: &RunSpec,
        there: There,
        request: Request<'_>,
        output: Output,
    ) -> Verdict {
        let hashes = request.hashes;
        let sent = Arc::new(Mutex::new(Digest::new(hashes)));
        let sinks_sent = Arc::clone(&sent);
        let (stdout, received) = mpsc::channel(OUTPUT_QUEUE);
        let sinks = Sinks {
            stdout,
            sent: Some(Box::new(move |chunk| lock(&sinks_sent).update(&chunk))),
            stderr: output.stderr.as_ref().map(hook),
        };
        let run = oneshot(run, request.input, sinks, &spec.bounds, &request.cancel);
        let handing = handover::hand_on(received, output.stdout, hashes);
        let late = Late { model: &access.model, bound: spec.bounds.timeout, watch: request.watch.as_ref() };
        let (ended, stdout_hash) = handover::both(run, handing, late, &request.cancel).await;
        let digest = std::mem::replace(&mut *lock(&sent), Digest::new(false));
        access.stdin_sha256 = digest.finish().1;
        access.stdout_sha256 = stdout_hash;
        access.run_ms = Some(millis(ended.run));
        Verdict::of_oneshot(access, &ended, there)
    }

    /// One request to a process that stays up.
    async fn serve_warm(
        &self,
        access: &mut Access,
        mut warm: Warm,
        placement: &Placement,
        request: Request<'_>,
        output: Output,
    ) -> Verdict {
        let payload = match request.input {
            Input::Bytes(payload) => payload,
            // It has been collected before.
            Input::Stream(_) => Bytes::new(),
        };
        let hashes = request.hashes;
        let mut sent = Digest::new(hashes);
        sent.update(&payload);
        access.stdin_sha256 = sent.finish().1;
        let (stdout, received) = mpsc::channel(OUTPUT_QUEUE);
        warm.watcher.set(output.stderr);
        let timeout = warm.spec.bounds.timeout;
        let reply = async {
            let stdout = stdout;
            if request.keep {
                warm.process.request(&payload, &stdout, timeout, &request.cancel).await
            } else {
                warm.process.last_request(&payload, &stdout, timeout, &request.cancel).await
            }
        };
        let handing = handover::hand_on(received, output.stdout, hashes);
        let late = Late { model: &access.model, bound: timeout, watch: request.watch.as_ref() };
        let (ended, stdout_hash) = handover::both(reply, handing, late, &request.cancel).await;
        warm.watcher.set(None);
        access.stdout_sha256 = stdout_hash;
        access.run_ms = Some(millis(ended.run));
        let mut there = placement.there();
        if warm.process.is_alive() {
            there = There::Serving;
            self.pool.put(&access.model, &access.server, warm);
        }
        let verdict = Verdict::of_reply(access, &ended, there);
        // What was sent is counted as what was asked for: the framing around it is nobody's input.
        access.stdin_bytes = access.stdin_bytes.min(payload.len() as u64);
        verdict
    }

    /// Puts the end of an attempt on record.
    pub(crate) async fn record_end(&self, mut access: Access, verdict: Verdict) -> Outcome {
        verdict.write_to(&mut access);
        access.stop_access.get_or_insert_with(now);
        if let Err(error) = self.config.journal.ended(&access).await {
            // The answer is out already; the record will say `lost`, and a person should know why.
            tracing::error!(request = %access.request_uid, error = &error as &dyn std::error::Error,
                "the end of the run could not be put on record");
        }
        Outcome { access, failure: verdict.failure, cause: verdict.cause }
    }

    pub(crate) async fn record_start(&self, access: &Access, durability: Durability) -> Result<(), SchedulerError> {
        let journal = &self.config.journal;
        journal
            .started(access, durability)
            .await
            .map_err(|source| SchedulerError::Record { model: access.model.clone(), source })
    }
}

/// Says why another server is asked: whoever relies on the first one should know.
fn tell_of_detour(before: &Outcome, next: &Placement) {
    let Access { model, server, error, .. } = &before.access;
    let why = error.as_deref().unwrap_or_default();
    tracing::warn!("`{model}` on `{server}`: {why}; trying `{}`", next.server);
}

/// All of an input, for a framing that must know its end; or why it did not come whole, so that nothing of it is sent.
async fn collect(
    model: &str,
    input: Input,
    bound: Bound,
    cancel: &Cancel,
) -> Result<Result<Bytes, EndCause>, SchedulerError> {
    let mut chunks = match input {
        Input::Bytes(bytes) => return Ok(Ok(bytes)),
        Input::Stream(chunks) => chunks,
    };
    let deadline = bound.deadline(Instant::now());
    let mut all = BytesMut::new();
    loop {
        let chunk = tokio::select! {
            biased;
            () = cancel.reached(CancelLevel::Cancel) => return Ok(Err(EndCause::Cancelled)),
            chunk = chunks.recv() => chunk,
            () = until(deadline) => return Ok(Err(EndCause::timeout(BoundName::Timeout, bound))),
        };
        match chunk {
            None => return Ok(Ok(all.freeze())),
            Some(Ok(chunk)) => all.extend_from_slice(&chunk),
            Some(Err(error)) => return Ok(Err(EndCause::InputFailed(error.to_string()))),
        }
        if all.len() > WARM_INPUT_BYTES {
            return Err(SchedulerError::TooLong { model: model.to_owned(), limit: WARM_INPUT_BYTES });
        }
    }
}

/// Shows stderr to whoever watches it; what the watcher cannot take at once is left out of the show, never of the log.
fn hook(watcher: &mpsc::Sender<Bytes>) -> StderrHook {
    let watcher = watcher.clone();
    Arc::new(move |chunk: &[u8]| {
        let _ = watcher.try_send(Bytes::copy_from_slice(chunk));
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn now() -> Timestamp {
    // Microseconds are what every database keeps; rounding a time of this age cannot fail.
    Timestamp::now().round(Unit::Microsecond).unwrap_or(Timestamp::UNIX_EPOCH)
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
