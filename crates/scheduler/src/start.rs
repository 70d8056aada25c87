//! Starts a process for a request: connects to the server, delivers the weights, and starts the command.

use std::{ffi::OsString, path::Path, sync::Arc, time::Instant};

use bytes::Bytes;
use mer_core::{Access, AccessKind, ConnType, RunSpec};
use mer_meal::{
    Cancel, CancelLevel, Executor, JobPool, JobRequest, Run, StartError, StartedJob, WarmError, WarmProcess,
};
use tokio::sync::mpsc;

use crate::{
    WaitObserver, Weights, WeightsCache, delivery,
    kept::{Lease, PooledProcess, QUEUE_TIMEOUT, StderrObserver},
    limits::UnitsGuard,
    outcome::Verdict,
    placement::Placement,
    record::millis,
    run_spec::set_weights_path,
    training_output::TrainingOutput,
    wait::{ReportedWait, Wait, waiting},
};

/// A process that waits for its request.
#[derive(Debug)]
pub(crate) enum ReadyProcess {
    /// Serves this request only; for a training, with the place that it writes to.
    Once(Box<Run>, Option<Box<TrainingOutput>>),
    /// Stays up, and ends after this request.
    Unkept(Box<PooledProcess>),
    /// Stays up, and is kept.
    Kept(Box<Lease>),
    /// Stays up and is kept, and serves other requests at the moment.
    Loaded,
}

/// What a start needs of its request.
#[derive(Debug, Clone)]
pub(crate) struct StartRequest {
    /// The weights that the process works with.
    pub(crate) weights: Option<Weights>,
    /// Receives what the start is waiting for.
    pub(crate) watch: Option<WaitObserver>,
    /// Receives stderr.
    pub(crate) stderr: Option<mpsc::Sender<Bytes>>,
    /// The units that the process holds, until its group is gone.
    pub(crate) units: Option<Arc<UnitsGuard>>,
    /// The jobs in one of which a process of one request runs.
    pub(crate) jobs: Option<JobPool>,
}

/// Starts processes on one server.
pub(crate) struct Starter<'a> {
    pub(crate) executor: &'a Executor,
    /// The executor of this machine.
    pub(crate) here: &'a Executor,
    pub(crate) placement: &'a Placement,
    pub(crate) weights_cache: &'a WeightsCache,
    pub(crate) cancel: &'a Cancel,
}

impl Starter<'_> {
    /// Connects, delivers the weights, and starts a process that serves one request.
    pub(crate) async fn start(
        &self,
        access: &mut Access,
        spec: &RunSpec,
        ask: &StartRequest,
        scratch: &Path,
    ) -> Result<ReadyProcess, Verdict> {
        if spec.protocol.stays_up() && access.kind != AccessKind::Train {
            return self.start_staying(access, spec, ask).await.map(|process| ReadyProcess::Unkept(Box::new(process)));
        }
        let started_spec = self.reach(access, spec, ask).await?;
        if access.kind == AccessKind::Train {
            // Boxed because it is rare, and would be the largest part of every run's future.
            return Box::pin(self.start_training(access, started_spec, ask, scratch)).await;
        }
        let run = self.start_once(access, &started_spec, ask).await?;
        Ok(ReadyProcess::Once(Box::new(run), None))
    }

    /// Connects, delivers the weights, and starts a process that stays up.
    pub(crate) async fn start_staying(
        &self,
        access: &mut Access,
        spec: &RunSpec,
        ask: &StartRequest,
    ) -> Result<PooledProcess, Verdict> {
        let started_spec = self.reach(access, spec, ask).await?;
        let ready_timeout = started_spec.bounds.ready_timeout;
        let wait = || Wait::Ready { model: access.model.clone(), ready_timeout };
        let reported = ReportedWait::begin(ask.watch.as_ref(), wait);
        let process = self.start_warm(access, started_spec, ask.stderr.clone(), ask.units.clone()).await;
        drop(reported);
        process
    }

    /// Connects, and delivers the weights. Returns the specification with their path.
    pub(crate) async fn reach(
        &self,
        access: &mut Access,
        spec: &RunSpec,
        ask: &StartRequest,
    ) -> Result<RunSpec, Verdict> {
        let observer = ask.watch.as_ref();
        let wait = || Wait::Connection { server: self.placement.server.clone() };
        waiting(observer, wait, self.connect(access)).await?;
        let mut started_spec = spec.clone();
        if let Some(units) = &ask.units {
            let told = units.environment(&self.placement.params.resource_env);
            started_spec.env.extend(told.into_iter().map(|(name, value)| (name.into(), value.into())));
        }
        if let Some(weights) = &ask.weights {
            let wait = || Wait::Weights { version: weights.version.to_string() };
            let path = waiting(observer, wait, self.deliver(weights)).await?;
            set_weights_path(path, &mut started_spec);
        }
        Ok(started_spec)
    }

    /// Delivers weights to the server, unless they are there already. Returns their path on the server.
    pub(crate) async fn deliver(&self, weights: &Weights) -> Result<OsString, Verdict> {
        let path = delivery::deliver(self.weights_cache, self.executor, self.placement, weights, self.cancel).await;
        path.map_err(Verdict::not_delivered)
    }

    /// Starts a process that stays up, and waits until it is ready.
    pub(crate) async fn start_warm(
        &self,
        access: &mut Access,
        spec: RunSpec,
        stderr: Option<mpsc::Sender<Bytes>>,
        units: Option<Arc<UnitsGuard>>,
    ) -> Result<PooledProcess, Verdict> {
        let began = Instant::now();
        let observer = StderrObserver::default();
        observer.set(stderr);
        let executor = self.executor_holding(access, units.as_ref(), None);
        let started = WarmProcess::start(&executor, &spec, Some(observer.hook()), self.cancel).await;
        let job = started.as_ref().ok().and_then(WarmProcess::job);
        let queued = job.map(|job| job.queued).unwrap_or_default();
        access.start_ms = Some(millis(began.elapsed().saturating_sub(queued)));
        note_job(access, job);
        match started {
            Ok(process) => Ok(PooledProcess { spec, process, stderr: observer, units }),
            Err(WarmError::Start(error)) => Err(Verdict::not_started(&access.server, &error)),
            Err(WarmError::NotReady(ended)) => Err(Verdict::not_ready(access, &ended, self.placement.location())),
            Err(error) => Err(Verdict::broken(&error)),
        }
    }

    /// Returns the executor, whose processes hold these units until their group is gone, and on a cluster have a job that is
    /// named after the attempt, or one of `pool`.
    fn executor_holding(&self, access: &Access, units: Option<&Arc<UnitsGuard>>, pool: Option<&JobPool>) -> Executor {
        let executor = match units {
            Some(units) => self.executor.holding(Arc::clone(units) as _, self.here),
            None => self.executor.clone(),
        };
        if self.placement.conn_type != ConnType::Slurm {
            return executor;
        }
        let name = format!("mer-{}-{}", access.request_uid, access.attempt);
        let queue_timeout = self.placement.params.queue_timeout.unwrap_or(QUEUE_TIMEOUT);
        executor.as_job(JobRequest { name, pool: pool.cloned(), queue_timeout })
    }

    /// Awaits a start, and reports on a cluster that a job is waited for.
    async fn in_queue<T>(&self, observer: Option<&WaitObserver>, start: impl Future<Output = T>) -> T {
        if self.placement.conn_type != ConnType::Slurm {
            return start.await;
        }
        let queue_timeout = self.placement.params.queue_timeout.unwrap_or(QUEUE_TIMEOUT);
        waiting(observer, || Wait::Job { server: self.placement.server.clone(), queue_timeout }, start).await
    }

    /// Connects to the server, unless it is this machine.
    async fn connect(&self, access: &mut Access) -> Result<(), Verdict> {
        if self.placement.starts_here() {
            return Ok(());
        }
        let began = Instant::now();
        let result = tokio::select! {
            biased;
            result = self.executor.connect() => result.map_err(|error| Verdict::not_connected(&error)),
            () = self.cancel.reached(CancelLevel::Cancel) => Err(Verdict::cancelled_before()),
        };
        access.connect_ms = Some(millis(began.elapsed()));
        result
    }

    /// Starts a process that trains, once there is a place to write to.
    async fn start_training(
        &self,
        access: &mut Access,
        mut spec: RunSpec,
        ask: &StartRequest,
        scratch: &Path,
    ) -> Result<ReadyProcess, Verdict> {
        let output = TrainingOutput::prepare(access, self.executor, self.placement, scratch, self.cancel).await?;
        spec.env.insert("MER_WEIGHTS_OUT".into(), output.path());
        match self.start_once(access, &spec, ask).await {
            Ok(run) => Ok(ReadyProcess::Once(Box::new(run), Some(Box::new(output)))),
            Err(verdict) => {
                output.clear(verdict.status).await;
                Err(verdict)
            }
        }
    }

    /// Starts a process for one request. On another machine this may take a while, so it can be cancelled.
    async fn start_once(&self, access: &mut Access, spec: &RunSpec, ask: &StartRequest) -> Result<Run, Verdict> {
        let location = self.placement.location();
        let executor = self.executor_holding(access, ask.units.as_ref(), ask.jobs.as_ref());
        let started: Result<Run, StartError> = tokio::select! {
            biased;
            started = self.in_queue(ask.watch.as_ref(), executor.start(spec)) => started,
            () = self.cancel.reached(CancelLevel::Cancel) => {
                return Err(Verdict::cancelled_at_start(access, location));
            }
        };
        let run = started.map_err(|error| Verdict::not_started(&access.server, &error))?;
        access.start_ms = Some(millis(run.started_in));
        note_job(access, run.job.as_ref());
        Ok(run)
    }
}

/// Writes the job of a process, and its wait in the queue, into the access.
fn note_job(access: &mut Access, job: Option<&StartedJob>) {
    let Some(StartedJob { id, queued }) = job else { return };
    access.job_id = Some(id.clone());
    access.queue_ms = Some(access.queue_ms.unwrap_or_default() + millis(*queued));
}
