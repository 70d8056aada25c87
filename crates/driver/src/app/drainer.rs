//! Moves the journal into a database on a server while runs go on, so that they are seen from everywhere at once.

use std::{sync::Arc, time::Duration};

use mer_core::ExitCode;
use mer_dal::{DalError, Database, HEARTBEAT_TTL, drain, flush_journal, has_orphaned_segments, keep_alive};
use mer_scheduler::Scheduler;
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, sleep, timeout, timeout_at},
};

/// How long records gather before they are moved: of a run that is over by then nothing but the end is sent.
const GATHER: Duration = Duration::from_millis(50);
/// How often it is said that runs go on; more than one such word may get lost.
const RENEW: Duration = Duration::from_secs(HEARTBEAT_TTL.as_secs() / 4);
/// The pause after a first failure, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Bound on moving the last records when `mer` ends. What is not moved stays in the journal for the next one.
const FAREWELL: Duration = Duration::from_secs(2);

/// The task that does it. It ends with this.
#[derive(Debug)]
pub(super) struct Drainer {
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
    pub(super) fn start(database: Database, scheduler: Arc<Scheduler>) -> Self {
        let (wake, stop) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let work = keep_draining(database.clone(), Arc::clone(&scheduler), Arc::clone(&wake), Arc::clone(&stop));
        Self { database, scheduler, wake, stop, task: tokio::spawn(work) }
    }

    /// There is, or soon will be, something to move.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Moves the last records, within a bound.
    pub(super) async fn finish(&mut self) {
        let deadline = Instant::now() + FAREWELL;
        // What it is doing just now is not cut off: its connection would be lost.
        self.stop.notify_one();
        let _ = timeout_at(deadline, &mut self.task).await;
        let journal = self.scheduler.journal();
        let moved = timeout_at(deadline, async {
            flush_journal(&self.database, journal).await?;
            journal.tidy();
            // Those of processes that were killed, or could not reach the server.
            if has_orphaned_segments(&self.database) { drain(&self.database).await.map(drop) } else { Ok(()) }
        });
        match moved.await {
            Ok(Ok(())) => {}
            // Waiting does not mend it, and who only runs models would never hear of it.
            Ok(Err(error)) if error.exit_code() == ExitCode::REFUSED => {
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
