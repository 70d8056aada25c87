//! The scheduler itself: one request, start to end.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use jiff::{Timestamp, Unit};
use mer_core::{Access, ConnType, Kind, RunSpec, Status};
use mer_dal::{Durability, Journal};
use mer_meal::{Cancel, Executor, Input, Sinks, StderrHook, WarmError, WarmProcess, check_input, oneshot};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{
    Outcome, Output, Placement, Request, SchedulerError,
    digest::Digest,
    outcome::Verdict,
    placement::placements,
    pool::{self, Pool, Warm, Watcher},
    spec::run_spec,
};

/// Chunks of output that may wait for their reader.
const OUTPUT_QUEUE: usize = 8;
/// The largest input that a process which stays up is sent: it is held in memory, since its framing is checked first.
const WARM_INPUT_BYTES: usize = 64 * 1024 * 1024;

/// What a scheduler works with.
#[derive(Debug)]
pub struct Config {
    /// Where processes are started.
    pub executor: Executor,
    /// Where accesses are written down.
    pub journal: Journal,
    /// The caller's environment, from which a model's is made.
    pub environment: BTreeMap<String, String>,
    /// `user@host` of the caller.
    pub caller: String,
    /// The caller's process.
    pub caller_pid: u32,
}

/// Runs requests, keeps processes warm, and puts every attempt on record.
#[derive(Debug)]
pub struct Scheduler {
    pub(crate) config: Config,
    pool: Pool,
}

impl Scheduler {
    /// A scheduler with no process yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, pool: Pool::default() }
    }

    /// Runs one request: its start is on record before a process starts or is sent anything, its end before this
    /// returns. Output is handed on as it comes.
    ///
    /// # Errors
    /// [`SchedulerError`] where there was nothing to attempt. A run that was attempted and failed is an [`Outcome`].
    pub async fn run(&self, request: Request<'_>, output: Output) -> Result<Outcome, SchedulerError> {
        let placement = self.place(&request)?;
        let mut access = self.begin(&request.model.name, request.kind, &placement);
        let spec = run_spec(&placement, &access, &self.config.environment, request.timeout)?;
        access.protocol = spec.protocol.name().to_owned();
        let verdict = if spec.protocol.stays_up() {
            self.run_warm(&mut access, spec, request, output).await?
        } else {
            self.run_once(&mut access, &spec, request, output).await?
        };
        Ok(self.record_end(access, verdict).await)
    }

    /// Where its accesses are written down.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.config.journal
    }

    /// Ends every process that is kept warm.
    pub async fn stop(&self) {
        self.pool.stop_all().await;
    }

    /// The first server that this version can reach.
    fn place(&self, request: &Request<'_>) -> Result<Placement, SchedulerError> {
        let all = placements(request.model, request.servers, request.pinned)?;
        let first = all.first().map_or_else(String::new, |placement| placement.server.clone());
        let no_transport = || SchedulerError::NoTransport { model: request.model.name.clone(), server: first };
        all.into_iter().find(|placement| placement.conn_type == ConnType::Local).ok_or_else(no_transport)
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
    async fn run_once(
        &self,
        access: &mut Access,
        spec: &RunSpec,
        request: Request<'_>,
        output: Output,
    ) -> Result<Verdict, SchedulerError> {
        self.record_start(access, Durability::Synced).await?;
        let run = match self.config.executor.start(spec).await {
            Ok(run) => run,
            Err(error) => return Ok(Verdict::not_started(&access.server, &error)),
        };
        access.start_ms = Some(millis(run.started_in));
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
        let (ended, stdout_hash) = tokio::join!(run, hand_on(received, output.stdout, hashes));
        let digest = std::mem::replace(&mut *lock(&sent), Digest::new(false));
        access.stdin_sha256 = digest.finish().1;
        access.stdout_sha256 = stdout_hash;
        access.run_ms = Some(millis(ended.run));
        Ok(Verdict::of_oneshot(access, &ended))
    }

    /// One request to a process that stays up, which is started where there is none.
    async fn run_warm(
        &self,
        access: &mut Access,
        spec: RunSpec,
        request: Request<'_>,
        output: Output,
    ) -> Result<Verdict, SchedulerError> {
        let payload = collect(&access.model, request.input).await?;
        check_input(spec.protocol, &spec.tokens, &payload)
            .map_err(|source| SchedulerError::Input { model: access.model.clone(), source })?;
        let (idle, stale) = self.pool.take(&access.model, &access.server, &spec);
        if !stale.is_empty() {
            pool::stop(stale).await;
        }
        let durability = if idle.is_some() { Durability::Written } else { Durability::Synced };
        self.record_start(access, durability).await?;
        let mut warm = match idle {
            Some(warm) => {
                access.start_ms = Some(0.0);
                warm
            }
            None => match self.start_warm(access, spec, output.stderr.clone(), &request.cancel).await {
                Ok(warm) => warm,
                Err(verdict) => return Ok(verdict),
            },
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
            warm.process.request(&payload, &stdout, timeout, &request.cancel).await
        };
        let (ended, stdout_hash) = tokio::join!(reply, hand_on(received, output.stdout, hashes));
        warm.watcher.set(None);
        access.stdout_sha256 = stdout_hash;
        access.run_ms = Some(millis(ended.run));
        if warm.process.is_alive() {
            self.pool.put(&access.model, &access.server, warm);
        }
        let verdict = Verdict::of_reply(access, &ended);
        // What was sent is counted as what was asked for: the framing around it is nobody's input.
        access.stdin_bytes = access.stdin_bytes.min(payload.len() as u64);
        Ok(verdict)
    }

    /// Starts a process that stays up, and waits until it is ready.
    pub(crate) async fn start_warm(
        &self,
        access: &mut Access,
        spec: RunSpec,
        stderr: Option<mpsc::Sender<Bytes>>,
        cancel: &Cancel,
    ) -> Result<Warm, Verdict> {
        let began = Instant::now();
        let watcher = Watcher::default();
        watcher.set(stderr);
        let started = WarmProcess::start(&self.config.executor, &spec, Some(watcher.hook()), cancel).await;
        access.start_ms = Some(millis(began.elapsed()));
        match started {
            Ok(process) => Ok(Warm { spec, process, watcher }),
            Err(WarmError::Start(error)) => Err(Verdict::not_started(&access.server, &error)),
            Err(WarmError::NotReady(ended)) => Err(Verdict::not_ready(access, &ended)),
            Err(error) => Err(Verdict::broken(&error)),
        }
    }

    /// Puts the end of an attempt on record.
    pub(crate) async fn record_end(&self, mut access: Access, verdict: Verdict) -> Outcome {
        let hint = verdict.write_to(&mut access);
        access.stop_access = Some(now());
        if let Err(error) = self.config.journal.ended(&access).await {
            // The answer is out already; the record will say `lost`, and a person should know why.
            tracing::error!(request = %access.request_uid, error = &error as &dyn std::error::Error,
                "the end of the run could not be put on record");
        }
        Outcome { access, code: verdict.code, hint }
    }

    pub(crate) async fn record_start(&self, access: &Access, durability: Durability) -> Result<(), SchedulerError> {
        let journal = &self.config.journal;
        journal
            .started(access, durability)
            .await
            .map_err(|source| SchedulerError::Record { model: access.model.clone(), source })
    }
}

/// Hashes output and hands it on, until the model is silent or the reader is gone.
async fn hand_on(mut received: mpsc::Receiver<Bytes>, reader: mpsc::Sender<Bytes>, hashes: bool) -> Option<String> {
    let mut digest = Digest::new(hashes);
    while let Some(chunk) = received.recv().await {
        digest.update(&chunk);
        if reader.send(chunk).await.is_err() {
            break;
        }
    }
    drop(received);
    digest.finish().1
}

/// All of an input, for a framing that must know its end.
async fn collect(model: &str, input: Input) -> Result<Bytes, SchedulerError> {
    let mut chunks = match input {
        Input::Bytes(bytes) => return Ok(bytes),
        Input::Stream(chunks) => chunks,
    };
    let failed = |source| SchedulerError::ReadInput { model: model.to_owned(), source };
    let mut all = BytesMut::new();
    while let Some(chunk) = chunks.recv().await {
        all.extend_from_slice(&chunk.map_err(failed)?);
        if all.len() > WARM_INPUT_BYTES {
            return Err(SchedulerError::TooLong { model: model.to_owned(), limit: WARM_INPUT_BYTES });
        }
    }
    Ok(all.freeze())
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
