//! Drains the journal into a database on a server while runs go on, so that other machines see them at once.

use std::{sync::Arc, time::Duration};

use mer_core::{Classified as _, FailureKind};
use mer_dal::{DalError, Database, HEARTBEAT_TTL, drain, flush_journal, has_orphaned_segments, keep_alive};
use mer_scheduler::Scheduler;
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, sleep, timeout, timeout_at},
};

/// Time in which records gather before they are moved: of a run that has ended by then only the end is sent.
const GATHER: Duration = Duration::from_millis(50);
/// Interval at which runs are renewed as alive; more than one renewal may get lost.
const RENEW: Duration = Duration::from_secs(HEARTBEAT_TTL.as_secs() / 4);
/// Pause after a first failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Maximum pause; each failure doubles it.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Bound on moving the last records when the process ends. The rest stays in the journal for the next process.
const LAST_DRAIN: Duration = Duration::from_secs(2);

/// The background task; it is aborted when this is dropped.
#[derive(Debug)]
pub(crate) struct Drainer {
    database: Database,
    scheduler: Arc<Scheduler>,
    wake: Arc<Notify>,
    stop: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Drop for Drainer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Drainer {
    pub(crate) fn start(database: Database, scheduler: Arc<Scheduler>) -> Self {
        let (wake, stop) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let work = keep_draining(database.clone(), Arc::clone(&scheduler), Arc::clone(&wake), Arc::clone(&stop));
        Self { database, scheduler, wake, stop, task: tokio::spawn(work) }
    }

    /// Drains the journal soon: it has records, or will have some in a moment.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Moves the last records, within a bound.
    pub(crate) async fn finish(&mut self) {
        let deadline = Instant::now() + LAST_DRAIN;
        // A drain under way is not cut off: its connection would be lost.
        self.stop.notify_one();
        let _ = timeout_at(deadline, &mut self.task).await;
        let journal = self.scheduler.journal();
        let moved = timeout_at(deadline, async {
            flush_journal(&self.database, journal).await?;
            journal.tidy();
            // Segments of processes that were killed, or could not reach the server.
            if has_orphaned_segments(&self.database) { drain(&self.database).await.map(drop) } else { Ok(()) }
        });
        match moved.await {
            Ok(Ok(())) => {}
            // Does not go away by itself, and would not be noticed otherwise while models are only run.
            Ok(Err(error)) if error.failure_kind() == FailureKind::Refused => {
                tracing::warn!("what ran waits in the journal: {error}");
            }
            Ok(Err(error)) => waits(&error),
            Err(_) => tracing::debug!("the database is slow; the last records wait in the journal"),
        }
    }
}

async fn keep_draining(database: Database, scheduler: Arc<Scheduler>, wake: Arc<Notify>, stop: Arc<Notify>) {
    let (mut pause, mut gather) = (FIRST_PAUSE, GATHER);
    loop {
        let woken = async {
            let woken = timeout(RENEW, wake.notified()).await.is_ok();
            sleep(if woken { gather } else { Duration::ZERO }).await;
            woken
        };
        let woken = tokio::select! {
            () = stop.notified() => return,
            woken = woken => woken,
        };
        let journal = scheduler.journal();
        let moved = async {
            flush_journal(&database, journal).await?;
            if woken { Ok(()) } else { keep_alive(&database, journal).await }
        };
        match moved.await {
            Ok(()) => (pause, gather) = (FIRST_PAUSE, GATHER),
            Err(error) => {
                waits(&error);
                gather = pause;
                pause = LONGEST_PAUSE.min(pause * 2);
                wake.notify_one();
            }
        }
    }
}

fn waits(error: &DalError) {
    tracing::debug!(
        error = error as &dyn std::error::Error,
        "the journal keeps its records until the database is back"
    );
}
