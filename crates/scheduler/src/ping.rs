//! Whether a model could serve: its command exists where it is to run, and a process that stays up becomes ready.

use std::time::Instant;

use mer_core::{Classified as _, FailureKind, Kind, Model, Server, with_causes};
use mer_dal::Durability;
use mer_meal::{Cancel, CancelLevel, EndCause, SshError, StartError};

use crate::{
    Placement, Scheduler, SchedulerError, Weights,
    outcome::Verdict,
    placement::placements,
    run_spec::{name_weights, place_weights, run_spec},
    scheduler::millis,
    warm_pool,
};

/// What was found of one model on one server.
#[derive(Debug, Clone)]
pub struct PingReport {
    /// The model.
    pub model: String,
    /// The server.
    pub server: String,
    /// The kind of failure that a run would end with; `None` where the model could serve.
    pub failure: Option<FailureKind>,
    /// Duration of the check, in milliseconds.
    pub ms: f64,
    /// What was found, or what is wrong.
    pub detail: String,
    /// Why the server cannot be used, where `detail` is about that.
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
    /// Looks at every server of a model. Nothing is sent to it. A process that is started for this is on record as a
    /// `ping`, and is ended again; it gets the weights, if there are any.
    ///
    /// # Errors
    /// The registration is wrong, or the start could not be put on record.
    pub async fn ping(
        &self,
        model: &Model,
        servers: &[Server],
        weights: Option<&Weights>,
        cancel: &Cancel,
    ) -> Result<Vec<PingReport>, SchedulerError> {
        self.config.environment.learn(servers);
        let mut reports = Vec::new();
        for placement in placements(model, servers, None)? {
            let began = Instant::now();
            let found = self.ping_there(&model.name, &placement, weights, cancel).await?;
            let ms = millis(began.elapsed());
            let (failure, detail, unreachable) = match found {
                Ok(detail) => (None, detail, None),
                Err(fault) => (Some(fault.kind), fault.detail, fault.unreachable),
            };
            let (model, server) = (model.name.clone(), placement.server);
            reports.push(PingReport { model, server, failure, ms, detail, unreachable });
        }
        Ok(reports)
    }

    async fn ping_there(
        &self,
        model: &str,
        placement: &Placement,
        weights: Option<&Weights>,
        cancel: &Cancel,
    ) -> Result<Result<String, Fault>, SchedulerError> {
        let mut access = self.begin(model, Kind::Ping, placement);
        let mut spec = run_spec(placement, &access, &self.config.environment, None)?;
        spec.protocol.name().clone_into(&mut access.protocol);
        let executor = self.executors.of(placement, Kind::Ping);
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
        self.record_start(&access, Durability::Synced).await?;
        let started = async {
            if let Some(weights) = weights {
                place_weights(self.deliver(&executor, placement, weights, cancel).await?, &mut spec);
            }
            self.start_warm(&mut access, &executor, spec, placement, None, cancel).await
        };
        let verdict = match started.await {
            Ok(warm) => {
                warm_pool::stop(vec![warm]).await;
                Verdict::succeeded()
            }
            Err(verdict) => verdict,
        };
        let outcome = self.record_end(access, verdict).await;
        Ok(match (outcome.failure, outcome.access.error) {
            (Some(kind), Some(error)) => {
                let last = outcome.access.stderr_tail.lines().rfind(|line| !line.trim().is_empty());
                Err(Fault::new(kind, last.map_or_else(|| error.clone(), |line| format!("{error}: {line}"))))
            }
            _ => Ok(format!("{path}, ready")),
        })
    }
}
