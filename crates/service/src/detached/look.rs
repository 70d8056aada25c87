//! Looks at detached runs.

use std::{collections::BTreeMap, time::Duration};

use mer_core::{DetachedRun, LOCAL_SERVER, with_causes};
use mer_meal::{Cancel, DetachedState, RunFolder, SeenRun, SupervisorId};
use mer_scheduler::{DetachedError, DetachedHost};
use tokio::time::timeout;

use super::{
    collect::CollectedRun,
    judgement::{judge, overdue},
    sight::Sight,
};
use crate::{error::ServiceError, runtime::Runtime, view::View};

/// Bound on a look at the runs of one server. A server that does not answer hides only its own runs.
const LOOK_BOUND: Duration = Duration::from_secs(15);
/// Maximum number of runs in one question.
const MAX_ASKED: usize = 300;

/// How a detached run stands.
#[derive(Debug)]
pub enum Standing {
    /// Its input is being stored, or it starts.
    Starting,
    /// Its job waits in the queue of a cluster.
    Queued,
    /// It runs; seconds since its start, if they are known.
    Running(Option<u64>),
    /// It is over, and this process has put that on record.
    Collected(Box<CollectedRun>),
    /// It is over, and another process puts its end on record.
    BeingCollected,
    /// It is over, and its end could not be put on record, for this reason.
    Ended(String),
    /// It could not be found out, for this reason.
    Unknown(String),
}

/// A detached run, and how it stands.
#[derive(Debug)]
pub struct DetachedStatus {
    /// The run.
    pub run: DetachedRun,
    /// How it stands.
    pub standing: Standing,
}

impl Runtime {
    /// Looks at every detached run, and collects those that are over.
    ///
    /// # Errors
    /// The database cannot be read. A server that cannot be asked is no error.
    pub async fn detached(&self) -> Result<Vec<DetachedStatus>, ServiceError> {
        self.detached_where(|_| true).await
    }

    /// As [`Runtime::detached`], but opens an embedded database only where this user has detached a run.
    ///
    /// # Errors
    /// As [`Runtime::detached`].
    pub async fn known_detached(&self) -> Result<Vec<DetachedStatus>, ServiceError> {
        let Some(marker) = self.detached_marker() else { return Ok(Vec::new()) };
        let known = self.detached().await?;
        if known.iter().all(|status| matches!(status.standing, Standing::Collected(_))) {
            marker.remove();
        }
        Ok(known)
    }

    /// Puts the ends of runs on record that are over, as far as that can be done now.
    pub async fn collect_detached(&self) {
        if let Err(error) = self.known_detached().await {
            tracing::debug!(error = &error as &dyn std::error::Error, "detached runs were not looked at");
        }
    }

    /// As [`Runtime::detached`], for these runs only.
    ///
    /// # Errors
    /// As [`Runtime::detached`].
    pub(crate) async fn detached_where(
        &self,
        wanted: impl Fn(&DetachedRun) -> bool,
    ) -> Result<Vec<DetachedStatus>, ServiceError> {
        let runs = self.in_session(async |store| Ok::<_, ServiceError>(store.detached_runs().await?)).await?;
        let runs: Vec<DetachedRun> = runs.into_iter().filter(wanted).collect();
        if runs.is_empty() {
            return Ok(Vec::new());
        }
        let view = self.view().await?;
        let (mut statuses, mut runs) = (Vec::new(), runs);
        // An attempt that was cut is followed by another one, which may be over too.
        while !runs.is_empty() {
            for sight in self.look_at(std::mem::take(&mut runs), &view).await {
                let status = self.standing(sight, &view).await;
                if let Standing::Collected(collected) = &status.standing {
                    runs.extend(collected.next.as_deref().cloned());
                }
                statuses.push(status);
            }
        }
        statuses.sort_by_key(|status| status.run.key());
        Ok(statuses)
    }

    /// Returns how a run stands; collects it if it is over.
    async fn standing(&self, sight: Sight, view: &View) -> DetachedStatus {
        let judged = match &sight.seen {
            Ok(seen) => judge(&sight.run, &seen.state),
            Err(_) => overdue(&sight.run),
        };
        let run = sight.run.clone();
        let standing = match (judged, &sight.seen) {
            (Some(judged), _) => match self.collect(&sight, judged, view).await {
                Ok(Some(collected)) => Standing::Collected(Box::new(collected)),
                Ok(None) => Standing::BeingCollected,
                Err(error) => Standing::Ended(with_causes(&error)),
            },
            (None, Err(why)) => Standing::Unknown(why.clone()),
            (None, Ok(seen)) => match &seen.state {
                DetachedState::Running(seconds) => Standing::Running(*seconds),
                DetachedState::Queued => Standing::Queued,
                DetachedState::Foreign => Standing::Unknown("its folder belongs to another user".to_owned()),
                DetachedState::Elsewhere(host) => Standing::Unknown(format!("its supervisor is on `{host}`")),
                _ => Standing::Starting,
            },
        };
        DetachedStatus { run, standing }
    }

    /// Looks at runs, at all their servers at the same time.
    pub(super) async fn look_at(&self, runs: Vec<DetachedRun>, view: &View) -> Vec<Sight> {
        let scheduler = self.scheduler(view.database_uid);
        let mut by_server: BTreeMap<String, Vec<DetachedRun>> = BTreeMap::new();
        let mut sights = Vec::new();
        // With a launcher that is remote it is the same place for every machine.
        let is_own = view.servers.iter().all(|server| server.name != LOCAL_SERVER || server.spec.starts_here());
        for run in runs {
            if is_own && run.server == LOCAL_SERVER && run.host != self.caller().host {
                let why = format!("it is on the machine `{}`", run.host);
                sights.push(Sight { run, seen: Err(why), host: None });
            } else {
                by_server.entry(run.server.clone()).or_default().push(run);
            }
        }
        let mut looks = Vec::new();
        for (server, runs) in by_server {
            let Some(host) = scheduler.detached_host(&server, &view.servers) else {
                let why = format!("the server `{server}` is not registered");
                sights.extend(runs.into_iter().map(|run| Sight { run, seen: Err(why.clone()), host: None }));
                continue;
            };
            let asked = host.clone();
            let looking = tokio::spawn(async move {
                let looked = timeout(LOOK_BOUND, look(&asked, &runs)).await;
                (runs, looked.unwrap_or_else(|_| Err(format!("server `{server}` did not answer in time"))))
            });
            looks.push((host, looking));
        }
        for (host, looking) in looks {
            let Ok((runs, looked)) = looking.await else { continue };
            match looked {
                Ok(seen) => sights.extend(runs.into_iter().zip(seen).map(|(run, seen)| Sight {
                    run,
                    seen: Ok(seen),
                    host: Some(host.clone()),
                })),
                Err(why) => sights.extend(runs.into_iter().map(|run| Sight {
                    run,
                    seen: Err(why.clone()),
                    host: Some(host.clone()),
                })),
            }
        }
        sights
    }
}

/// Looks at the runs of one server.
async fn look(host: &DetachedHost, runs: &[DetachedRun]) -> Result<Vec<SeenRun>, String> {
    let mut seen = Vec::new();
    for part in runs.chunks(MAX_ASKED) {
        let asked: Vec<(SupervisorId, RunFolder)> =
            part.iter().map(|run| (supervisor(run), folder(run, host))).collect();
        let looked = host.look(&asked, &Cancel::new()).await;
        seen.extend(looked.map_err(|error: DetachedError| with_causes(&error))?.seen);
    }
    Ok(seen)
}

/// Returns the supervisor of a run, as far as it is known.
fn supervisor(run: &DetachedRun) -> SupervisorId {
    SupervisorId {
        pid: run.params.pid,
        start_time: run.params.start_time.clone(),
        boot_id: run.boot_id.clone(),
        host: run.folder.as_ref().map(|_| run.host.clone()),
    }
}

/// Returns the folder of a run.
pub(super) fn folder(run: &DetachedRun, host: &DetachedHost) -> RunFolder {
    let usual = || host.default_folder(format!("{}-{}", run.request_uid, run.attempt));
    run.folder.clone().map_or_else(usual, RunFolder::Known)
}
