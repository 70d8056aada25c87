//! Checks whether a model can serve: its command exists on each of its servers, and a process that stays up becomes ready.

use std::time::Instant;

use mer_core::{AccessKind, ExitCode, Model, Server, with_causes};
use mer_dal::Durability;
use mer_meal::{Cancel, CancelLevel, End, SshError, StartError};
use serde::Serialize;

use crate::{
    Scheduler, SchedulerError, Weights,
    outcome::Verdict,
    placement::Placement,
    record::millis,
    replica::replicas,
    run_spec::{name_weights, run_spec, set_weights_path},
    start::Starter,
    warm_pool,
};

/// Result of pinging one model on one server.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelPingReport {
    /// Name of the model.
    pub model: String,
    /// Name of the server.
    pub server: String,
    /// 0, or the exit code that a run would have.
    pub code: u8,
    /// Duration of the check, in milliseconds.
    pub ms: f64,
    /// Path of the command, or what is wrong.
    pub detail: String,
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
            let (code, detail) = match found {
                Ok(detail) => (ExitCode::OK, detail),
                Err((code, detail)) => (code, detail),
            };
            let ms = millis(began.elapsed());
            reports.push(ModelPingReport { model: model.name.clone(), server: placement.server, code, ms, detail });
        }
        Ok(reports)
    }

    async fn ping_on(
        &self,
        model: &str,
        placement: &Placement,
        weights: Option<&Weights>,
        cancel: &Cancel,
    ) -> Result<Result<String, (u8, String)>, SchedulerError> {
        let mut access = self.recorder.begin(model, AccessKind::Ping, placement);
        let mut spec = run_spec(placement, &access, &self.environment, None)?;
        spec.protocol.name().clone_into(&mut access.protocol);
        let executor = self.executors.of(placement, AccessKind::Ping);
        let found = tokio::select! {
            biased;
            found = executor.resolve(&spec) => found,
            () = cancel.reached(CancelLevel::Cancel) => return Ok(Err((ExitCode::SIGINT, End::Cancelled.to_string()))),
        };
        let path = match found {
            Ok(path) => path.display().to_string(),
            Err(StartError::Ssh(error)) => return Ok(Err(unreachable(&error, &placement.server))),
            // The same exit code as that of a run.
            Err(error) => {
                let code = Verdict::not_started(&placement.server, &error).code;
                return Ok(Err((code, with_causes(&error))));
            }
        };
        if !spec.protocol.stays_up() {
            return Ok(Ok(path));
        }
        if let Some(weights) = weights {
            name_weights(&weights.version, &mut access, &mut spec);
        }
        self.recorder.record_start(&access, Durability::Synced).await?;
        let starter = Starter { executor: &executor, placement, weights_cache: &self.weights_cache, cancel };
        let started = async {
            if let Some(weights) = weights {
                set_weights_path(starter.deliver(weights).await?, &mut spec);
            }
            starter.start_warm(&mut access, spec, None).await
        };
        let verdict = match started.await {
            Ok(process) => {
                warm_pool::stop(vec![process]).await;
                Verdict::succeeded()
            }
            Err(verdict) => verdict,
        };
        let outcome = self.recorder.record_end(access, verdict).await;
        Ok(match outcome.access.error {
            None => Ok(format!("{path}, ready")),
            Some(error) => {
                let last = outcome.access.stderr_tail.lines().rfind(|line| !line.trim().is_empty());
                Err((outcome.code, last.map_or_else(|| error.clone(), |line| format!("{error}: {line}"))))
            }
        })
    }
}

/// Returns exit code and explanation for a server that cannot be used.
fn unreachable(error: &SshError, server: &str) -> (u8, String) {
    let remedy = error.remedy(server).map(|remedy| format!(" ({remedy})")).unwrap_or_default();
    (error.exit_code(), format!("{}{remedy}", with_causes(error)))
}
