//! Attempts a request on one server after the other, and again after failures.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use mer_core::{Access, AccessKind, Model, RunSpec, Status, Tags};
use mer_dal::Durability;
use mer_meal::{Cancel, CancelLevel, Input};
use tokio::time::sleep;
use uuid::Uuid;

use crate::{
    Outcome, Output, Request, Scheduler, SchedulerError, Unit,
    input::read_whole_input,
    itinerary::Itinerary,
    kept::Standing,
    outcome::{RetryKind, Verdict},
    placement::Placement,
    prepare::Preparation,
    replay::ReplayedInput,
    replica::replicas,
    run_spec::{name_weights, run_spec},
    serve::{Exchange, serve},
    training_output::TrainingOutput,
};

/// How far a request has come.
#[derive(Debug)]
pub(crate) enum Attempted {
    /// It is over and recorded.
    Over(Outcome),
    /// A process has served it, well or not. Its end is not recorded yet.
    Served { access: Access, verdict: Verdict, training_output: Option<Box<TrainingOutput>>, deadline: Option<Instant> },
}

impl Scheduler {
    /// Attempts the request on one server after the other, until one serves it and no retry is left or would help.
    pub(crate) async fn attempt(
        &self,
        mut request: Request<'_>,
        scratch: &Path,
        output: Output,
    ) -> Result<Attempted, SchedulerError> {
        self.environment.learn(request.servers);
        let replicas = self.able(replicas(request.model, request.servers, request.pinned)?, request.model)?;
        // A training is too long, and what it wrote too large, to be tried again unasked.
        let retries = if request.kind == AccessKind::Train { 0 } else { request.retries };
        let mut itinerary = Itinerary::new(replicas, retries);
        let replay = match std::mem::replace(&mut request.input, Input::Bytes(Bytes::new())) {
            Input::Stream(chunks) if retries > 0 => Some(ReplayedInput::new(chunks)),
            input => {
                request.input = input;
                None
            }
        };
        loop {
            let at = self.next_server(&itinerary, &request).await?;
            let attempt = request.attempts_made + itinerary.attempt(at);
            if let (Some(observer), true) = (&request.attempts, attempt > request.attempts_made + 1) {
                observer.begins(attempt, itinerary.retries_taken()).await;
            }
            let placement = itinerary.replicas[at].clone();
            let (mut access, spec) = self.begin(attempt, &request, &placement)?;
            if let (true, Some(replay)) = (spec.protocol.stays_up(), &replay)
                && matches!(&request.input, Input::Bytes(bytes) if bytes.is_empty())
            {
                request.input = replay.open();
            }
            if spec.protocol.stays_up()
                && let Err(end) = read_whole_input(&access, &spec, &mut request).await?
            {
                self.recorder.record_start(&access, Durability::Written).await?;
                let outcome = self.recorder.record_end(access, Verdict::not_collected(&end)).await;
                return Ok(Attempted::Over(outcome));
            }
            let preparation = self.preparation(&placement, &request.cancel, false);
            let output = Output { stdout: output.stdout.clone(), stderr: output.stderr.clone() };
            let prepared = Box::pin(preparation.prepare(&mut access, &spec, &request, &output, scratch)).await?;
            // The bound of the run counts from here on: the process gets its input now.
            let deadline = spec.bounds.timeout.deadline(Instant::now());
            let served = match prepared {
                Ok(process) => {
                    self.server_health.reached(&placement);
                    let input = match (&mut request.input, &replay) {
                        (Input::Bytes(bytes), None) => Input::Bytes(bytes.clone()),
                        (Input::Bytes(bytes), Some(_)) if spec.protocol.stays_up() => Input::Bytes(bytes.clone()),
                        (_, Some(replay)) => replay.open(),
                        (input, None) => std::mem::replace(input, Input::Bytes(Bytes::new())),
                    };
                    let observer = request.watch.as_ref();
                    let exchange =
                        Exchange { input, spec: &spec, hashes: request.hashes, cancel: &request.cancel, observer };
                    // On the heap, as the future would be deeper than the compiler looks.
                    Ok(Box::pin(serve(process, &mut access, &placement, exchange, output)).await)
                }
                Err(verdict) => Err(verdict),
            };
            let (mut verdict, training_output, is_served) = match served {
                Ok((verdict, training_output)) => (verdict, training_output, true),
                Err(verdict) => (verdict, None, false),
            };
            if verdict.elsewhere && verdict.status == Status::Unreachable {
                self.server_health.failed(&placement, Instant::now());
            }
            let is_elsewhere = verdict.elsewhere && itinerary.has_untried();
            let pause = match verdict.retry_kind() {
                _ if is_elsewhere => None,
                kind if may_help(kind, &request) => {
                    self.may_retry(&access, &mut verdict, replay.as_ref(), &mut itinerary).await
                }
                _ => None,
            };
            if !is_elsewhere && pause.is_none() {
                return Ok(match is_served {
                    true => Attempted::Served { access, verdict, training_output, deadline },
                    false => Attempted::Over(self.recorder.record_end(access, verdict).await),
                });
            }
            let outcome = self.recorder.record_end(access, verdict).await;
            let next = self.next_server(&itinerary, &request).await?;
            warn_of_next(&outcome, &itinerary.replicas[next]);
            if let Some(pause) = pause
                && is_cancelled_within(pause, &request.cancel).await
            {
                return Ok(Attempted::Over(outcome));
            }
        }
    }

    /// Returns the server for the next attempt: among those with the fewest attempts, one that was reached the last time, on
    /// which the request is served soonest; of equal ones the first.
    pub(crate) async fn next_server(
        &self,
        itinerary: &Itinerary,
        request: &Request<'_>,
    ) -> Result<usize, SchedulerError> {
        let candidates = itinerary.candidates();
        // Every model has one server at least.
        let none = || SchedulerError::NoSuchServer { model: request.model.name.clone(), server: String::new() };
        let first = *candidates.first().ok_or_else(none)?;
        if candidates.len() == 1 {
            return Ok(first);
        }
        let (standing, best) =
            self.best_server(&candidates, itinerary, request, &[])?.unwrap_or((Standing::Free, first));
        // The database is asked only where the answer may change the choice.
        if standing != Standing::Free || !self.limits.is_shared(&itinerary.replicas[best]) {
            return Ok(best);
        }
        let claimed = self.limits.claimed().await;
        let best = self.best_server(&candidates, itinerary, request, &claimed)?;
        Ok(best.map_or(first, |(_, at)| at))
    }

    /// Returns the server among the candidates on which the request is served soonest, and how soon. Units that are claimed count
    /// as taken.
    fn best_server(
        &self,
        candidates: &[usize],
        itinerary: &Itinerary,
        request: &Request<'_>,
        claimed: &[(Unit, Uuid)],
    ) -> Result<Option<(Standing, usize)>, SchedulerError> {
        let now = Instant::now();
        let mut best: Option<((bool, Standing), usize)> = None;
        for at in candidates.iter().copied() {
            let placement = &itinerary.replicas[at];
            let (_, spec) = self.begin(1, request, placement)?;
            let standing = match spec.protocol.stays_up() {
                true => self.pool.standing(&request.model.name, placement, &spec, request.keep),
                false => Standing::Free,
            };
            let standing = match standing {
                Standing::Free => match self.limits.waiting_before(placement, claimed) {
                    0 => Standing::Free,
                    waiting => Standing::Queued(waiting),
                },
                other => other,
            };
            let rank = (self.server_health.is_set_aside(placement, now), standing);
            if best.is_none_or(|(known, _)| rank < known) {
                best = Some((rank, at));
            }
        }
        Ok(best.map(|((_, standing), at)| (standing, at)))
    }

    /// Returns the servers that have what the model needs.
    ///
    /// # Errors
    /// None of them has.
    pub(crate) fn able(&self, replicas: Vec<Placement>, model: &Model) -> Result<Vec<Placement>, SchedulerError> {
        if replicas.iter().all(|placement| self.limits.can_meet(placement)) {
            return Ok(replicas);
        }
        let (able, unable): (Vec<_>, Vec<_>) =
            replicas.into_iter().partition(|placement| self.limits.can_meet(placement));
        if !able.is_empty() {
            return Ok(able);
        }
        let needs = unable.first().map(|placement| placement.params.needs.clone()).unwrap_or_default();
        let needs: Vec<String> = needs.iter().map(|(resource, count)| format!("`{resource}` = {count}")).collect();
        let needs = if needs.is_empty() { "`slots` = 1".to_owned() } else { needs.join(" and ") };
        let servers = unable.iter().map(|placement| format!("`{}`", placement.server)).collect();
        Err(SchedulerError::NeedsUnmet { model: model.name.clone(), needs, servers })
    }

    /// Returns the pause before the next attempt, if there is to be one.
    async fn may_retry(
        &self,
        access: &Access,
        verdict: &mut Verdict,
        replay: Option<&ReplayedInput>,
        itinerary: &mut Itinerary,
    ) -> Option<Duration> {
        let obstacle = if access.stdout_bytes > 0 {
            Some("a part of its output was passed on")
        } else if let Some(replay) = replay
            && !replay.is_whole().await
        {
            Some("its input is longer than the 64 MiB that are kept")
        } else {
            None
        };
        let Some(obstacle) = obstacle else { return itinerary.take_retry() };
        if itinerary.take_retry().is_some() {
            let error = verdict.error.take().unwrap_or_default();
            verdict.error = Some(format!("{error}; it was not tried again, because {obstacle}"));
        }
        None
    }

    /// Returns what prepares an attempt on a server.
    pub(crate) fn preparation<'a>(
        &'a self,
        placement: &'a Placement,
        cancel: &'a Cancel,
        loading: bool,
    ) -> Preparation<'a> {
        Preparation {
            recorder: &self.recorder,
            pool: &self.pool,
            executors: &self.executors,
            weights_cache: &self.weights_cache,
            limits: &self.limits,
            placement,
            cancel,
            loading,
        }
    }

    /// Returns the access of an attempt that begins now, and what is to be started for it.
    pub(crate) fn begin(
        &self,
        attempt: u32,
        request: &Request<'_>,
        placement: &Placement,
    ) -> Result<(Access, RunSpec), SchedulerError> {
        let access = self.recorder.begin(request.uid, &request.model.name, request.kind, placement);
        let (tags, via) = (Tags(request.tags.clone()), request.via.clone());
        let batch_uid = request.batch_uid;
        let items = batch_uid.map(|_| 1);
        let mut access = Access { attempt, batch_uid, items, tags, via, ..access };
        if let Some(requester) = &request.requester {
            access.caller.clone_from(&requester.caller);
            access.caller_claims.clone_from(&requester.claims);
            access.caller_pid = requester.pid;
        }
        let requester = request.requester.as_deref();
        let mut spec = run_spec(placement, &access, &self.environment, requester, request.timeout)?;
        if let Some(weights) = &request.weights {
            name_weights(&weights.version, &mut access, &mut spec);
        }
        spec.protocol.name().clone_into(&mut access.protocol);
        Ok((access, spec))
    }
}

fn may_help(kind: RetryKind, request: &Request<'_>) -> bool {
    let is_cancelled = request.cancel.level() != CancelLevel::None;
    let may_help = match kind {
        RetryKind::None => false,
        RetryKind::Retry => true,
        RetryKind::RetryFailed => request.retry_failed,
    };
    may_help && !is_cancelled
}

/// Waits before the next attempt. Returns whether the request was cancelled meanwhile.
async fn is_cancelled_within(pause: Duration, cancel: &Cancel) -> bool {
    tokio::select! {
        biased;
        () = cancel.reached(CancelLevel::Cancel) => true,
        () = sleep(pause) => false,
    }
}

/// Warns of the next attempt, because the caller may rely on the first server.
fn warn_of_next(before: &Outcome, next: &Placement) {
    let Access { model, server, error, .. } = &before.access;
    let why = error.as_deref().unwrap_or_default();
    match next.server == *server {
        true => tracing::warn!("`{model}` on `{server}`: {why}; trying again"),
        false => tracing::warn!("`{model}` on `{server}`: {why}; trying `{}`", next.server),
    }
}
