//! The database, the scheduler and the drainer of one process.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use mer_dal::{Database, Journal, JournalOwner};
use mer_scheduler::{Config, LimitsConfig, Scheduler, SharedLimits, WeightsCache};
use uuid::Uuid;

use crate::{
    caller::Caller,
    claims::KeeperOwner,
    drainer::Drainer,
    events::{Activity, ActivityGuard, Event},
    registry_watch::RegistryWatch,
    settings::Settings,
    shared_claims::SharedClaims,
};

/// Number of journal segments from which on a run that is over moves them into the database, so that the disk of a machine
/// on which the log is never read does not fill up.
const MANY_SEGMENTS: usize = 256;
/// The same bound in bytes.
const MANY_BYTES: u64 = 8 * 1024 * 1024;
/// The journal is measured after the first run, and after each 256th from then on.
const MEASURE_EVERY: u32 = 256;

/// What all operations work with. Making one touches neither the disk nor the database.
#[derive(Debug)]
pub struct Runtime {
    settings: Settings,
    database: Database,
    scheduler: OnceLock<Arc<Scheduler>>,
    /// For a database on a server.
    claims: OnceLock<Arc<SharedClaims>>,
    /// For a database on a server.
    drainer: Mutex<Option<Drainer>>,
    runs: AtomicU32,
    registry_watch: RegistryWatch,
}

impl Runtime {
    /// A runtime with these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let database = Database::new(settings.database.clone());
        Self {
            settings,
            database,
            scheduler: OnceLock::new(),
            claims: OnceLock::new(),
            drainer: Mutex::default(),
            runs: AtomicU32::new(0),
            registry_watch: RegistryWatch::default(),
        }
    }

    /// What it was made from.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The database.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// The caller, as the log of accesses has it.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.settings.caller
    }

    pub(crate) const fn registry_watch(&self) -> &RegistryWatch {
        &self.registry_watch
    }

    /// Reports an activity until the guard is dropped.
    pub(crate) fn begin(&self, activity: Activity) -> ActivityGuard {
        self.settings.events.begin(activity)
    }

    pub(crate) fn notify(&self, event: Event<'_>) {
        self.settings.events.notify(event);
    }

    /// The scheduler. Its journal belongs to the database that is named by the first call.
    pub(crate) fn scheduler(&self, database_uid: Uuid) -> &Arc<Scheduler> {
        self.scheduler.get_or_init(|| {
            let Settings { weights_dir, weights_limit, executor, remote, environment, caller, .. } = &self.settings;
            let owner = JournalOwner {
                host: caller.host.clone(),
                pid: caller.pid,
                mer_version: env!("CARGO_PKG_VERSION").to_owned(),
            };
            Arc::new_cyclic(|scheduler| {
                Scheduler::new(Config {
                    executor: executor.clone(),
                    remote: remote.clone(),
                    weights: WeightsCache::new(self.database.clone(), weights_dir.clone(), *weights_limit),
                    journal: Journal::new(self.database.journal_dir(), database_uid, owner)
                        .at(self.database.location()),
                    environment: Arc::clone(environment),
                    caller: caller.name.clone(),
                    caller_claims: caller.claims.clone(),
                    caller_pid: caller.pid,
                    limits: self.limits(Weak::clone(scheduler)),
                })
            })
        })
    }

    fn limits(&self, scheduler: Weak<Scheduler>) -> LimitsConfig {
        let Settings { limits_dir, resources, pool, caller, .. } = &self.settings;
        LimitsConfig {
            folder: limits_dir.clone(),
            host: caller.host.clone(),
            resources: resources.clone(),
            pool: pool.clone(),
            shared: self.shared_claims(scheduler).map(|claims| claims as Arc<dyn SharedLimits>),
        }
    }

    /// The claims of this process, where other machines may share the database.
    fn shared_claims(&self, scheduler: Weak<Scheduler>) -> Option<Arc<SharedClaims>> {
        if self.database.settings().url.is_embedded() {
            return None;
        }
        let Caller { host, pid, name, .. } = &self.settings.caller;
        let owner = KeeperOwner { host: host.clone(), pid: *pid, caller: name.clone() };
        let claims = SharedClaims::new(self.database.clone(), owner, scheduler);
        Some(Arc::clone(self.claims.get_or_init(|| Arc::new(claims))))
    }

    /// The scheduler, if there has been anything to do for it.
    pub(crate) fn started_scheduler(&self) -> Option<&Arc<Scheduler>> {
        self.scheduler.get()
    }

    /// Wakes the background drainer, so that a database on a server has the run while it lasts.
    pub(crate) fn wake_drainer(&self, database_uid: Uuid) {
        if self.database.settings().url.is_embedded() {
            return;
        }
        let scheduler = self.scheduler(database_uid);
        let mut drainer = self.lock_drainer();
        drainer.get_or_insert_with(|| Drainer::start(self.database.clone(), Arc::clone(scheduler))).wake();
    }

    /// To be called after each run. Returns whether the journal of an embedded database has become so long that it is to be
    /// drained; the one of a database on a server is drained in the background.
    pub fn is_journal_long(&self) -> bool {
        if let Some(drainer) = &*self.lock_drainer() {
            drainer.wake();
            return false;
        }
        // A script writes one segment, however many runs it has.
        self.runs.fetch_add(1, Ordering::Relaxed).is_multiple_of(MEASURE_EVERY) && self.measures_long_journal()
    }

    /// Returns whether the journal of an embedded database is so long that it is to be drained, measured each time.
    pub fn measures_long_journal(&self) -> bool {
        let pending = self.database.pending();
        self.database.settings().url.is_embedded() && (pending.segments >= MANY_SEGMENTS || pending.bytes >= MANY_BYTES)
    }

    /// To be called after each run. Drains a journal that has become long into an embedded database, unless another process
    /// has that open.
    pub async fn after_run(&self) {
        if !self.is_journal_long() {
            return;
        }
        let settings = mer_dal::Settings { wait: Duration::ZERO, ..self.database.settings().clone() };
        let drained = match Database::new(settings).session().await {
            Ok(session) => match session.drain().await {
                Ok((session, _)) => session.close().await,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        if let Err(error) = drained {
            // The next command tries again.
            tracing::debug!(error = &error as &dyn std::error::Error, "the journal was not drained");
        }
    }

    /// Ends warm processes, each within its grace period, and moves the last records into a database on a server. Returns
    /// early with the processes when `interrupted` completes: what is still running then is killed with this process.
    pub async fn shut_down(&self, interrupted: impl Future<Output = ()>) {
        if let Some(scheduler) = self.scheduler.get() {
            let _activity = self.begin(Activity::EndingModels);
            tokio::select! {
                biased;
                () = scheduler.stop() => {}
                () = interrupted => {}
            }
        }
        if let Some(claims) = self.claims.get() {
            claims.finish().await;
        }
        let drainer = self.lock_drainer().take();
        if let Some(mut drainer) = drainer {
            let _activity = self.begin(Activity::MovingRecords);
            drainer.finish().await;
        }
    }

    fn lock_drainer(&self) -> MutexGuard<'_, Option<Drainer>> {
        self.drainer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
