//! Checks whether a model can serve: its command exists on each of its servers, and a process that stays up becomes ready.

use std::{sync::Arc, time::Instant};

use mer_core::{AccessKind, Bound, Classified as _, FailureKind, Model, Server, with_causes};
use mer_dal::Durability;
use mer_meal::{Cancel, CancelLevel, EndCause, SshError, StartError};
use uuid::Uuid;

use crate::{
    Scheduler, SchedulerError, Weights,
    executors::orphan_after,
    kept::stop_now,
    limits::{LimitError, UnitsAsk, UnitsGuard},
    outcome::Verdict,
    placement::Placement,
    record::millis,
    replica::replicas,
    run_spec::{name_weights, run_spec, set_weights_path},
    start::Starter,
};

/// Maximum wait for the units that a process needs.
const UNITS_BOUND: Bound = Bound::secs(10);

/// Result of pinging one model on one server.
#[derive(Debug, Clone)]
pub struct ModelPingReport {
    /// Name of the model.
    pub model: String,
    /// Name of the server.
    pub server: String,
    /// Kind of failure that a run would have; `None` if the model can serve.
    pub failure: Option<FailureKind>,
    /// Duration of the check, in milliseconds.
    pub ms: f64,
    /// Path of the command, or what is wrong.
    pub detail: String,
    /// Why the server cannot be used, if `detail` is about that.
    pub unreachable: Option<SshError>,
}

/// What is wrong with a model on a server.
struct Fault {
    kind: FailureKind,
    detail: String,
    unreachable: Option<SshError>,
}

impl Fault {
    fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), unreachable: None }
    }
}

impl Scheduler {
    /// Pings a model on each of its servers. No request is sent to it. A process that is started for this gets the weights, is
    /// recorded as a `ping`, and is stopped again.
    ///
    /// # Errors
    /// The registration is wrong, or the start could not be recorded.
    pub async fn ping(
        &self,
        model: &Model,
        servers: &[Server],
        weights: Option<&Weights>,
        cancel: &Cancel,
    ) -> Result<Vec<ModelPingReport>, SchedulerError> {
        self.environment.learn(servers);
        let mut reports = Vec::new();
        for placement in replicas(model, servers, None)? {
            let began = Instant::now();
            let found = self.ping_on(&model.name, &placement, weights, cancel).await?;
            let ms = millis(began.elapsed());
            let (failure, detail, unreachable) = match found {
                Ok(detail) => (None, detail, None),
                Err(fault) => (Some(fault.kind), fault.detail, fault.unreachable),
            };
            let (model, server) = (model.name.clone(), placement.server);
            reports.push(ModelPingReport { model, server, failure, ms, detail, unreachable });
        }
        Ok(reports)
    }

    async fn ping_on(
        &self,
        model: &str,
        placement: &Placement,
        weights: Option<&Weights>,
        cancel: &Cancel,
    ) -> Result<Result<String, Fault>, SchedulerError> {
        let mut access = self.recorder.begin(Uuid::now_v7(), model, AccessKind::Ping, placement);
        let mut spec = run_spec(placement, &access, &self.environment, None, None)?;
        spec.protocol.name().clone_into(&mut access.protocol);
        let executor = self.executors.of(placement, AccessKind::Ping);
        let found = tokio::select! {
            biased;
            found = executor.resolve(&spec) => found,
            () = cancel.reached(CancelLevel::Cancel) => {
                return Ok(Err(Fault::new(FailureKind::Cancelled, EndCause::Cancelled.to_string())));
            }
        };
        let path = match found {
            Ok(path) => path.display().to_string(),
            Err(error) => {
                let fault = Fault::new(error.failure_kind(), with_causes(&error));
                let unreachable = if let StartError::Ssh(error) = error { Some(error) } else { None };
                return Ok(Err(Fault { unreachable, ..fault }));
            }
        };
        if !spec.protocol.stays_up() {
            return Ok(Ok(path));
        }
        if let Some(weights) = weights {
            name_weights(&weights.version, &mut access, &mut spec);
        }
        let units = match self.units_for_ping(model, placement, cancel).await {
            Ok(units) => units,
            Err(fault) => return Ok(Err(fault)),
        };
        self.recorder.record_start(&access, Durability::Synced).await?;
        let starter = Starter {
            executor: &executor,
            here: self.executors.here(),
            placement,
            weights_cache: &self.weights_cache,
            cancel,
        };
        let started = async {
            if let Some(weights) = weights {
                set_weights_path(starter.deliver(weights).await?, &mut spec);
            }
            if let Some(units) = &units {
                let told = units.environment(&placement.params.resource_env);
                spec.env.extend(told.into_iter().map(|(name, value)| (name.into(), value.into())));
            }
            starter.start_warm(&mut access, spec, None, units).await
        };
        let verdict = match started.await {
            Ok(process) => {
                stop_now(process).await;
                Verdict::succeeded()
            }
            Err(verdict) => verdict,
        };
        let outcome = self.recorder.record_end(access, verdict).await;
        Ok(match (outcome.failure, outcome.access.error) {
            (Some(kind), Some(error)) => {
                let last = outcome.access.stderr_tail.lines().rfind(|line| !line.trim().is_empty());
                Err(Fault::new(kind, last.map_or_else(|| error.clone(), |line| format!("{error}: {line}"))))
            }
            _ => Ok(format!("{path}, ready")),
        })
    }

    /// Takes the units that a process needs, if they are free or become free soon.
    async fn units_for_ping(
        &self,
        model: &str,
        placement: &Placement,
        cancel: &Cancel,
    ) -> Result<Option<Arc<UnitsGuard>>, Fault> {
        if !self.limits.can_meet(placement) {
            return Err(Fault::new(FailureKind::Config, "the server does not have what the model needs"));
        }
        let ask = UnitsAsk {
            model,
            placement,
            orphan_after: orphan_after(AccessKind::Ping),
            priority: 0,
            queue_length: usize::MAX,
            queue_timeout: UNITS_BOUND,
            cancel,
            observer: None,
            room: &*self.pool,
        };
        self.limits.acquire(&ask).await.map_err(|error| match error {
            LimitError::Cancelled => Fault::new(FailureKind::Cancelled, EndCause::Cancelled.to_string()),
            LimitError::Unknown(error) => Fault::new(error.failure_kind(), with_causes(&error)),
            error => Fault::new(FailureKind::Busy, error.to_string()),
        })
    }
}
