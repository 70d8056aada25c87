//! The beginning of an attempt: on record, connected, and with a process to serve it; or why not.

use std::{ffi::OsString, path::Path, time::Instant};

use mer_core::{Access, ConnType, Kind, RunSpec};
use mer_dal::Durability;
use mer_meal::{Cancel, CancelLevel, Executor, Run, StartError, WarmError, WarmProcess};
use tokio::sync::mpsc;

use crate::{
    Output, Placement, Request, Scheduler, SchedulerError, Weights, delivery,
    outcome::{There, Verdict},
    run_spec::place_weights,
    scheduler::millis,
    training_output::Out,
    wait::{Wait, waiting},
    warm_pool::{self, Warm, Watcher},
};

/// A process that waits for its request.
#[derive(Debug)]
pub(crate) enum Ready {
    /// One that serves this request and no other; where it trains, with the place that it writes to.
    Once(Box<Run>, Option<Box<Out>>),
    /// One that stays up.
    Warm(Box<Warm>),
}

impl Placement {
    /// Where a process of this placement runs.
    pub(crate) fn there(&self) -> There {
        if self.conn_type == ConnType::Local { There::Here } else { There::Remote }
    }
}

impl Scheduler {
    /// Puts the start on record, connects, and takes or starts a process.
    pub(crate) async fn make_ready(
        &self,
        access: &mut Access,
        spec: &RunSpec,
        placement: &Placement,
        request: &Request<'_>,
        output: &Output,
        scratch: &Path,
    ) -> Result<Result<Ready, Verdict>, SchedulerError> {
        let stays_up = spec.protocol.stays_up();
        let (idle, stale) = match stays_up {
            true => self.pool.take(&access.model, placement, spec),
            false => (None, Vec::new()),
        };
        if !stale.is_empty() {
            warm_pool::stop(stale).await;
        }
        let durability = if idle.is_some() { Durability::Written } else { Durability::Synced };
        self.record_start(access, durability).await?;
        if let Some(warm) = idle {
            access.start_ms = Some(0.0);
            return Ok(Ok(Ready::Warm(Box::new(warm))));
        }
        let executor = self.executors.of(placement, request.kind);
        Ok(self.start(access, &executor, spec, placement, request, output, scratch).await)
    }

    /// Connects, brings the weights there, and starts a process.
    #[expect(clippy::too_many_arguments, reason = "what an attempt is made of")]
    async fn start(
        &self,
        access: &mut Access,
        executor: &Executor,
        spec: &RunSpec,
        placement: &Placement,
        request: &Request<'_>,
        output: &Output,
        scratch: &Path,
    ) -> Result<Ready, Verdict> {
        let (cancel, watch) = (&request.cancel, request.watch.as_ref());
        let wait = || Wait::Connection { server: placement.server.clone() };
        waiting(watch, wait, self.connect(access, executor, placement, cancel)).await?;
        let mut placed = spec.clone();
        if let Some(weights) = &request.weights {
            let wait = || Wait::Weights { version: weights.version.to_string() };
            let delivered = waiting(watch, wait, self.deliver(executor, placement, weights, cancel)).await?;
            place_weights(delivered, &mut placed);
        }
        if access.kind == Kind::Train {
            // Boxed: of the future of a run it would be the largest part, and it is rare.
            return Box::pin(start_training(access, executor, placed, placement, scratch, cancel)).await;
        }
        if !spec.protocol.stays_up() {
            let run = start_once(access, executor, &placed, placement, cancel).await?;
            return Ok(Ready::Once(Box::new(run), None));
        }
        let stderr = output.stderr.clone();
        let ready_timeout = placed.bounds.ready_timeout;
        let wait = || Wait::Ready { model: request.model.name.clone(), ready_timeout };
        let started = self.start_warm(access, executor, placed, placement, stderr, cancel);
        let started = waiting(watch, wait, started).await?;
        // It is found by what was asked for.
        Ok(Ready::Warm(Box::new(Warm { spec: spec.clone(), ..started })))
    }

    /// Brings weights to where the process is to run, unless they are there. Gives their path there.
    pub(crate) async fn deliver(
        &self,
        executor: &Executor,
        placement: &Placement,
        weights: &Weights,
        cancel: &Cancel,
    ) -> Result<OsString, Verdict> {
        let path = delivery::deliver(&self.config.weights, executor, placement, weights, cancel).await;
        path.map_err(Verdict::not_delivered)
    }

    /// Makes the connection, where one is needed.
    pub(crate) async fn connect(
        &self,
        access: &mut Access,
        executor: &Executor,
        placement: &Placement,
        cancel: &Cancel,
    ) -> Result<(), Verdict> {
        if placement.conn_type == ConnType::Local {
            return Ok(());
        }
        let began = Instant::now();
        let result = tokio::select! {
            biased;
            result = executor.connect() => result.map_err(|error| Verdict::not_connected(&error)),
            () = cancel.reached(CancelLevel::Cancel) => Err(Verdict::cancelled_before()),
        };
        access.connect_ms = Some(millis(began.elapsed()));
        result
    }

    /// Starts a process that stays up, and waits until it is ready.
    pub(crate) async fn start_warm(
        &self,
        access: &mut Access,
        executor: &Executor,
        spec: RunSpec,
        placement: &Placement,
        stderr: Option<mpsc::Sender<bytes::Bytes>>,
        cancel: &Cancel,
    ) -> Result<Warm, Verdict> {
        let began = Instant::now();
        let watcher = Watcher::default();
        watcher.set(stderr);
        let started = WarmProcess::start(executor, &spec, Some(watcher.hook()), cancel).await;
        access.start_ms = Some(millis(began.elapsed()));
        match started {
            Ok(process) => Ok(Warm { spec, conn: placement.conn.clone(), process, watcher }),
            Err(WarmError::Start(error)) => Err(Verdict::not_started(&access.server, &error)),
            Err(WarmError::NotReady(ended)) => Err(Verdict::not_ready(access, &ended, placement.there())),
            Err(error) => Err(Verdict::broken(&error)),
        }
    }
}

/// Starts a process that trains, once there is a place to write to.
async fn start_training(
    access: &mut Access,
    executor: &Executor,
    mut spec: RunSpec,
    placement: &Placement,
    scratch: &Path,
    cancel: &Cancel,
) -> Result<Ready, Verdict> {
    let out = Out::prepare(access, executor, placement, scratch, cancel).await?;
    spec.env.insert("MER_WEIGHTS_OUT".into(), out.path());
    match start_once(access, executor, &spec, placement, cancel).await {
        Ok(run) => Ok(Ready::Once(Box::new(run), Some(Box::new(out)))),
        Err(verdict) => {
            out.clear(verdict.status).await;
            Err(verdict)
        }
    }
}

/// Starts a process for one request. On another machine that may take a while.
async fn start_once(
    access: &mut Access,
    executor: &Executor,
    spec: &RunSpec,
    placement: &Placement,
    cancel: &Cancel,
) -> Result<Run, Verdict> {
    let started: Result<Run, StartError> = tokio::select! {
        biased;
        started = executor.start(spec) => started,
        () = cancel.reached(CancelLevel::Cancel) => return Err(Verdict::cancelled_at_start(access, placement.there())),
    };
    let run = started.map_err(|error| Verdict::not_started(&access.server, &error))?;
    access.start_ms = Some(millis(run.started_in));
    Ok(run)
}
