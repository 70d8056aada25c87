//! Waits for detached runs, follows their output, and ends them.

use std::time::Duration;

use bytes::Bytes;
use mer_core::{Access, AttemptKey, DetachedRun};
use mer_meal::Cancel;
use mer_scheduler::OutputStream;
use tokio::sync::mpsc;

use super::{
    collect::CollectedRun,
    found_run::FoundRun,
    judgement::{judge, overdue},
    look::Standing,
};
use crate::{error::ServiceError, runtime::Runtime};

/// Pause between the first two looks; each further one is longer.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl Runtime {
    /// Waits until a run is over and its end is on record. A server that cannot be asked is asked again.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn wait_detached(&self, found: FoundRun) -> Result<CollectedRun, ServiceError> {
        let run = match found {
            FoundRun::Open(run) => *run,
            FoundRun::Closed(access) => return Ok(CollectedRun { access: *access, version: None }),
        };
        let (mut pause, mut told) = (FIRST_PAUSE, None);
        loop {
            if self.may_be_over(&run, &mut told).await?
                && let Some(collected) = self.collected(run.key(), &mut told).await?
            {
                return Ok(collected);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        }
    }

    /// Whether a look shows that a run is over, without opening the database.
    async fn may_be_over(&self, run: &DetachedRun, told: &mut Option<String>) -> Result<bool, ServiceError> {
        let view = self.view().await?;
        let Some(sight) = self.look_at(vec![run.clone()], &view).await.into_iter().next() else { return Ok(false) };
        Ok(match &sight.seen {
            Ok(seen) => judge(run, &seen.state).is_some(),
            Err(why) => {
                tell(why, told);
                // Another machine may have put its end on record.
                sight.host.is_none() || overdue(run).is_some()
            }
        })
    }

    /// Collects a run that is over, or reads what another process has put on record.
    async fn collected(
        &self,
        key: AttemptKey,
        told: &mut Option<String>,
    ) -> Result<Option<CollectedRun>, ServiceError> {
        let status = self.detached_where(|run| run.key() == key).await?.into_iter().next();
        Ok(match status.map(|status| status.standing) {
            Some(Standing::Collected(collected)) => Some(*collected),
            Some(Standing::Ended(why) | Standing::Unknown(why)) => {
                tell(&why, told);
                None
            }
            Some(_) => None,
            None => {
                let rows = self.in_session(async |store| Ok::<_, ServiceError>(store.access(key.request_uid).await?));
                let access = rows.await?.into_iter().find(|row: &Access| row.attempt == key.attempt);
                access.map(|access| CollectedRun { access, version: None })
            }
        })
    }

    /// Forwards what a run writes, from its beginning or from its last lines, until it is over or `cancel` ends that. The run
    /// goes on.
    ///
    /// # Errors
    /// Its server cannot be asked, or its folder is gone.
    pub async fn follow_detached(
        &self,
        found: &FoundRun,
        tail: Option<u64>,
        output: mpsc::Sender<Bytes>,
        diagnostics: mpsc::Sender<Bytes>,
        cancel: &Cancel,
    ) -> Result<(), ServiceError> {
        let (host, folder) = self.place_of(found).await?;
        let follow = |stream, to| host.follow(&folder, (stream, tail), to, cancel);
        // A stream whose reader has gone ends the other one.
        let both =
            tokio::try_join!(follow(OutputStream::Output, output), follow(OutputStream::Diagnostics, diagnostics));
        Ok(both.map(drop)?)
    }

    /// Tells a run to end, by TERM and after its grace period by KILL, or at once by KILL.
    ///
    /// # Errors
    /// Its server cannot be asked, or its folder is gone.
    pub async fn stop_detached(&self, run: &DetachedRun, now: bool) -> Result<(), ServiceError> {
        let (host, folder) = self.place_of(&FoundRun::Open(Box::new(run.clone()))).await?;
        Ok(host.signal(&folder, now, &Cancel::new()).await?)
    }
}

/// Warns of what delays a wait, once.
fn tell(why: &str, told: &mut Option<String>) {
    if told.as_deref() != Some(why) {
        tracing::warn!("{why}; the run is looked after again");
        *told = Some(why.to_owned());
    }
}
