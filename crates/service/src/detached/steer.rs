//! Waits for detached runs, follows their output, and ends them.

use std::time::Duration;

use bytes::Bytes;
use mer_core::{Access, AttemptKey, DetachedRun};
use mer_meal::Cancel;
use mer_scheduler::OutputStream;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    collect::CollectedRun,
    found_run::FoundRun,
    judgement::{judge, overdue},
    look::{DetachedStatus, Standing},
};
use crate::{error::ServiceError, runtime::Runtime};

/// Pause between the first two looks; each further one is longer.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long the first look may take where there is less time.
const FIRST_LOOK: Duration = Duration::from_secs(5);

/// How an attempt ended.
#[derive(Debug)]
pub enum AttemptEnd {
    /// The run is over with it.
    Over(Box<CollectedRun>),
    /// Its job was put back into the queue of its cluster, and another attempt follows.
    Followed {
        /// What is on record of it.
        ended: Box<Access>,
        /// The newest attempt.
        next: FoundRun,
        /// What this process has put on record of that one, if it is over too.
        over: Option<Box<CollectedRun>>,
    },
}

impl AttemptEnd {
    /// Returns the end of the run, or the attempt that follows.
    fn over(self) -> Result<CollectedRun, FoundRun> {
        match self {
            Self::Over(collected) | Self::Followed { over: Some(collected), .. } => Ok(*collected),
            Self::Followed { next, .. } => Err(next),
        }
    }
}

impl Runtime {
    /// Waits until a run is over and its end is on record, whatever attempts follow. A server that cannot be asked is asked again.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn wait_detached(&self, mut found: FoundRun) -> Result<CollectedRun, ServiceError> {
        loop {
            match self.wait_attempt(found).await?.over() {
                Ok(collected) => return Ok(collected),
                Err(next) => found = next,
            }
        }
    }

    /// As [`Runtime::wait_detached`], until then; none if the run is not over. It is looked at once in any case.
    ///
    /// # Errors
    /// As [`Runtime::wait_detached`].
    pub async fn wait_detached_until(
        &self,
        mut found: FoundRun,
        deadline: Option<Instant>,
    ) -> Result<Option<CollectedRun>, ServiceError> {
        while let Some(end) = self.wait_attempt_until(found, deadline).await? {
            match end.over() {
                Ok(collected) => return Ok(Some(collected)),
                Err(next) => found = next,
            }
        }
        Ok(None)
    }

    /// Waits until an attempt is over and its end is on record.
    ///
    /// # Errors
    /// As [`Runtime::wait_detached`].
    pub async fn wait_attempt(&self, found: FoundRun) -> Result<AttemptEnd, ServiceError> {
        loop {
            // Without a deadline there is an end.
            if let Some(end) = self.wait_attempt_until(found.clone(), None).await? {
                return Ok(end);
            }
        }
    }

    async fn wait_attempt_until(
        &self,
        found: FoundRun,
        deadline: Option<Instant>,
    ) -> Result<Option<AttemptEnd>, ServiceError> {
        let run = match found {
            FoundRun::Open(run) => *run,
            FoundRun::Closed(access) => {
                let collected = CollectedRun { access: *access, version: None, next: None };
                return Ok(Some(AttemptEnd::Over(Box::new(collected))));
            }
        };
        let (mut pause, mut told) = (FIRST_PAUSE, None);
        let mut is_late = deadline.map(|deadline| deadline.max(Instant::now() + FIRST_LOOK));
        loop {
            // A run that is over is collected to the end: what is dropped half way keeps others from collecting it for a while.
            let look = self.may_be_over(&run, &mut told);
            let may_be_over = match is_late {
                Some(late) => match timeout_at(late, look).await {
                    Ok(seen) => seen?,
                    Err(_) => return Ok(None),
                },
                None => look.await?,
            };
            if may_be_over && let Some(end) = self.collected(run.key(), &mut told).await? {
                return Ok(Some(end));
            }
            let now = Instant::now();
            if deadline.is_some_and(|deadline| now >= deadline) {
                return Ok(None);
            }
            is_late = deadline;
            sleep_until(deadline.map_or(now + pause, |deadline| deadline.min(now + pause))).await;
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
    async fn collected(&self, key: AttemptKey, told: &mut Option<String>) -> Result<Option<AttemptEnd>, ServiceError> {
        let mut statuses = self.detached_where(|run| run.key() == key).await?;
        let last = statuses.pop();
        let first = statuses.into_iter().next();
        Ok(match (first.map(|status| status.standing), last) {
            (Some(Standing::Collected(ended)), Some(DetachedStatus { run, standing })) => {
                let (next, over) = match standing {
                    Standing::Collected(over) => (FoundRun::Closed(Box::new(over.access.clone())), Some(over)),
                    _ => (FoundRun::Open(Box::new(run)), None),
                };
                Some(AttemptEnd::Followed { ended: Box::new(ended.access), next, over })
            }
            (_, Some(DetachedStatus { standing: Standing::Collected(collected), .. })) => {
                Some(AttemptEnd::Over(collected))
            }
            (_, Some(DetachedStatus { standing: Standing::Ended(why) | Standing::Unknown(why), .. })) => {
                tell(&why, told);
                None
            }
            (_, Some(_)) => None,
            // Another process has put its end on record.
            (_, None) => self.on_record(key).await?,
        })
    }

    /// Returns how an attempt ended by the record; none if it has not.
    async fn on_record(&self, key: AttemptKey) -> Result<Option<AttemptEnd>, ServiceError> {
        let read = async |store: &mer_dal::Store| {
            let runs = store.detached_runs().await?;
            let open = runs.into_iter().find(|run| run.request_uid == key.request_uid && run.attempt >= key.attempt);
            Ok::<_, ServiceError>((store.access(key.request_uid).await?, open))
        };
        let (rows, open) = self.in_session(read).await?;
        let mut rows = rows.into_iter().filter(|row| row.attempt >= key.attempt);
        let Some(access) = rows.next() else { return Ok(None) };
        let followed = |next| AttemptEnd::Followed { ended: Box::new(access.clone()), next, over: None };
        Ok(match (open, rows.next_back()) {
            (Some(run), _) if run.attempt == key.attempt => None,
            (Some(run), _) => Some(followed(FoundRun::Open(Box::new(run)))),
            (None, Some(last)) => Some(followed(FoundRun::Closed(Box::new(last)))),
            (None, None) => Some(AttemptEnd::Over(Box::new(CollectedRun { access, version: None, next: None }))),
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
