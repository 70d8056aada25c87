//! Collects the end of a detached run, once.

use std::{path::PathBuf, time::Duration};

use jiff::{SignedDuration, Timestamp};
use mer_core::{
    Access, CURRENT_ALIAS, Classified as _, DetachedParams, DetachedRun, DetachedTraining, FailureKind, Status,
};
use mer_dal::{ClaimUnit, DalError, NextAttempt};
use mer_meal::Cancel;
use mer_scheduler::{DetachedError, DetachedHost, collected_within};
use uuid::Uuid;

use super::{judgement::Judgement, sight::Sight};
use crate::{
    error::{ServiceError, in_one_line},
    runtime::Runtime,
    train::{Scratch, TrainedFile},
    view::View,
    weights::NamedVersion,
};

/// How long a process that collects a run excludes others, unless it renews that: the wait for a run whose collector was killed.
const COLLECTING: Duration = Duration::from_secs(20);
/// Pause between two renewals.
const RENEWAL: Duration = Duration::from_secs(6);

/// A run whose end this process has put on record.
#[derive(Debug)]
pub struct CollectedRun {
    /// What is on record.
    pub access: Access,
    /// The version that a training made.
    pub version: Option<NamedVersion>,
    /// The attempt that follows, if the job of this one was put back into the queue of its cluster.
    pub next: Option<Box<DetachedRun>>,
}

impl Runtime {
    /// Puts the end of a run on record. Returns none if another process does so, or has done so.
    ///
    /// # Errors
    /// The database cannot be written, or what the run wrote cannot be read now. Another look may succeed.
    pub(super) async fn collect(
        &self,
        sight: &Sight,
        judged: Judgement,
        view: &View,
    ) -> Result<Option<CollectedRun>, ServiceError> {
        let (run, collector) = (&sight.run, Uuid::new_v4());
        let taken = async |store: &mer_dal::Store| {
            let is_mine = store.take_detached(run.key(), collector, COLLECTING).await?;
            let rows = if is_mine { store.access(run.request_uid).await? } else { Vec::new() };
            Ok::<_, ServiceError>(rows.into_iter().find(|row| row.attempt == run.attempt))
        };
        let Some(access) = self.in_session(taken).await? else { return Ok(None) };
        let work = self.collect_taken(sight, judged, view, access, collector);
        let collected = tokio::select! {
            biased;
            collected = work => collected,
            never = self.keep_collecting(run, collector) => match never {},
        };
        if collected.is_err() {
            let left =
                self.in_session(async |store| Ok::<_, ServiceError>(store.leave_detached(run.key(), collector).await?));
            if let Err(error) = left.await {
                tracing::debug!(error = &error as &dyn std::error::Error, "a run is not left to others yet");
            }
        }
        collected
    }

    async fn keep_collecting(&self, run: &DetachedRun, collector: Uuid) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(RENEWAL).await;
            let renewed = async |store: &mer_dal::Store| {
                Ok::<_, ServiceError>(store.take_detached(run.key(), collector, COLLECTING).await?)
            };
            if let Err(error) = self.in_session(renewed).await {
                tracing::debug!(error = &error as &dyn std::error::Error, "the collecting of a run was not renewed");
            }
        }
    }

    async fn collect_taken(
        &self,
        sight: &Sight,
        judged: Judgement,
        view: &View,
        mut access: Access,
        collector: Uuid,
    ) -> Result<Option<CollectedRun>, ServiceError> {
        let (run, cancel) = (&sight.run, Cancel::new());
        let folder = sight.folder();
        let begun = access.clone();
        if access.status == Status::Started {
            judged.write_to(&mut access);
            complete(&mut access, run, &judged);
            if let (Some(host), Some(folder), true) = (&sight.host, &folder, judged.has_folder) {
                let digest = host.digest(folder, run.params.hashes, &cancel).await?;
                access.stdout_bytes = digest.stdout_bytes;
                access.stdout_sha256 = digest.stdout_sha256;
                access.stderr_bytes = digest.stderr_bytes;
                access.stderr_tail = digest.stderr_tail;
            }
        }
        let mut version = None;
        if let (Some(training), Some(host), Some(folder), Status::Succeeded) =
            (&run.params.training, &sight.host, &folder, access.status)
        {
            match self.store_weights(host, folder, training, view, &access, collector).await {
                Ok(named) => {
                    access.weights_version = Some(named.version.version);
                    access.weights_sha256 = Some(named.version.sha256.clone());
                    version = Some(named);
                }
                Err(NotStored::Later(error)) => return Err(error),
                Err(NotStored::Taken) => return Ok(None),
                Err(NotStored::Never(why)) => {
                    access.status = Status::Failed;
                    access.error = Some(format!("{why}; what it wrote is in `{folder}` on `{}`", run.server));
                }
            }
        }
        let next = judged.next_folder.map(|folder| next_attempt(run, begun, &access, folder));
        // A version was stored together with the end of the run.
        if version.is_none() {
            let closed = async |store: &mer_dal::Store| {
                Ok::<_, ServiceError>(store.close_detached(collector, &access, next.as_ref()).await?)
            };
            if !self.in_session(closed).await? {
                return Ok(None);
            }
        }
        match &next {
            // The attempt that follows needs what this one holds, and may take as long.
            Some(next) => self.keep_claims(run, next.lasts).await,
            None => self.tidy(run, sight.host.as_ref().zip(folder.as_deref())).await,
        }
        Ok(Some(CollectedRun { access, version, next: next.map(|next| Box::new(next.run)) }))
    }

    /// Makes what a training wrote a version, and puts its end on record with it.
    async fn store_weights(
        &self,
        host: &DetachedHost,
        folder: &str,
        training: &DetachedTraining,
        view: &View,
        access: &Access,
        collector: Uuid,
    ) -> Result<NamedVersion, NotStored> {
        let scratch = Scratch::new(&self.settings().training_dir).map_err(NotStored::Later)?;
        let file: PathBuf = match host.weights(folder, scratch.path(), &Cancel::new()).await {
            Ok(Some(file)) => file,
            Ok(None) => {
                let why = "the training succeeded, but wrote nothing to the path in `MER_WEIGHTS_OUT`";
                return Err(NotStored::Never(why.to_owned()));
            }
            Err(DetachedError::Refused { why, .. }) => {
                return Err(NotStored::Never(format!("the weights could not be fetched: {why}")));
            }
            Err(error) => return Err(NotStored::Later(error.into())),
        };
        let model = view.model(&access.model).map_err(|error| NotStored::Never(in_one_line(&error)))?;
        let promotes = training.promote || model.spec.on_server(&access.server).promote == Some(true);
        let trained = TrainedFile {
            runtime: self,
            model,
            file: &file,
            access,
            parent: training.parent,
            note: training.note.clone(),
            aliases: promotes.then(|| CURRENT_ALIAS.to_owned()).into_iter().collect(),
            collector: Some(collector),
        };
        let stored = async {
            let (upload, new) = trained.upload().await?;
            let version = upload.finish(&new).await?;
            Ok::<_, ServiceError>(NamedVersion { version, aliases: new.aliases })
        };
        stored.await.map_err(|error| match error {
            ServiceError::Dal(DalError::Collected { .. }) => NotStored::Taken,
            error if matches!(error.failure_kind(), FailureKind::Input | FailureKind::NotFound) => {
                NotStored::Never(format!("what it wrote cannot be kept: {}", in_one_line(&error)))
            }
            error => NotStored::Later(error),
        })
    }

    /// Keeps the claims of a run for this time from now on.
    async fn keep_claims(&self, run: &DetachedRun, lasts: Duration) {
        let Some(claim) = run.claim else { return };
        let renewed = async |store: &mer_dal::Store| {
            let units = units_of(store, claim).await?;
            Ok::<_, ServiceError>(store.renew_claims(claim, &units, lasts).await?)
        };
        if let Err(error) = self.in_session(renewed).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the claims of a run were not renewed");
        }
    }

    /// Releases what a run that is over has held. Failures are left to the time after which claims are void.
    async fn tidy(&self, run: &DetachedRun, place: Option<(&DetachedHost, &str)>) {
        if let Some(claim) = run.claim {
            let released = async |store: &mer_dal::Store| {
                let units = units_of(store, claim).await?;
                Ok::<_, ServiceError>(store.release_claims(claim, &units).await?)
            };
            if let Err(error) = self.in_session(released).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the claims of a run were not released");
            }
        }
        if let Some((host, folder)) = place
            && let Err(error) = host.mark_collected(folder, &Cancel::new()).await
        {
            tracing::debug!(error = &error as &dyn std::error::Error, "a folder does not say that it was collected");
        }
    }
}

/// Returns the units that are claimed by this owner.
async fn units_of(store: &mer_dal::Store, claim: Uuid) -> Result<Vec<ClaimUnit>, DalError> {
    let claims = store.list_claims().await?.into_iter().filter(|known| known.owner.uid == claim);
    Ok(claims.map(|known| known.unit).collect())
}

/// Why what a training wrote was not stored.
enum NotStored {
    /// It may be stored later.
    Later(ServiceError),
    /// Another process has stored it.
    Taken,
    /// It will never be, for this reason.
    Never(String),
}

/// Returns the attempt that follows one whose job was put back into the queue. It begins when that one ended.
fn next_attempt(run: &DetachedRun, begun: Access, ended: &Access, folder: String) -> NextAttempt {
    let attempt = run.attempt + 1;
    let params = DetachedParams { pid: None, start_time: None, start_ms: None, ..run.params.clone() };
    NextAttempt {
        lasts: collected_within(run.params.max_run_time),
        access: Access {
            attempt,
            start_access: ended.stop_access.unwrap_or(begun.start_access),
            queue_ms: Some(0.0),
            connect_ms: Some(0.0),
            ..begun
        },
        run: DetachedRun { attempt, boot_id: None, folder: Some(folder), params, ..run.clone() },
    }
}

/// Writes the facts that were known at the start, and the times.
fn complete(access: &mut Access, run: &DetachedRun, judged: &Judgement) {
    access.stdin_bytes = run.params.stdin_bytes;
    access.stdin_sha256.clone_from(&run.params.stdin_sha256);
    access.start_ms = run.params.start_ms;
    access.job_id.clone_from(&run.job_id);
    if let Some(queued) = judged.queued {
        let before = access.queue_ms.unwrap_or_default();
        access.queue_ms = Some(before + Duration::from_secs(queued).as_secs_f64() * 1_000.0);
    }
    let ran = judged.seconds.and_then(|seconds| i64::try_from(seconds).ok());
    // The clock of another machine may differ: only how long it ran is taken from there.
    let stop = ran.and_then(|seconds| access.start_access.checked_add(SignedDuration::from_secs(seconds)).ok());
    access.stop_access = stop.or_else(|| (access.status != Status::Lost).then(Timestamp::now)).and_then(rounded);
    access.run_ms = judged.seconds.map(|seconds| Duration::from_secs(seconds).as_secs_f64() * 1_000.0);
}

/// Returns a time in microseconds, the precision of every database.
fn rounded(time: Timestamp) -> Option<Timestamp> {
    time.round(jiff::Unit::Microsecond).ok()
}
