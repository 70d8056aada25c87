//! What commands work with: the settings, the database, the scheduler, the signals, and where output goes.

mod caller;
mod confirm;
mod database;
mod drainer;
mod journal;
mod registry;
mod secrets;
mod signals;
mod small_pages;
mod ssh;

use std::{
    cell::{Cell, OnceCell, RefCell},
    io::{self, IsTerminal as _},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mer_core::Claims;
use mer_dal::{DalError, Database, DbUrl, Journal, JournalOwner, Session};
use mer_meal::{Executor, LocalConfig};
use mer_migrations::{MigrationError, Policy};
use mer_scheduler::{CallerEnvironment, Config, Scheduler, WaitObserver, WeightsCache};

use self::drainer::Drainer;
pub(crate) use journal::told;
pub(crate) use registry::View;
pub(crate) use signals::{Signal, Signals, Streams, unblock};
pub(crate) use small_pages::SmallPages;
pub(crate) use ssh::Ssh;

use crate::{
    cli::Typed,
    config::{Loaded, Settings},
    errors::{CliError, Kind},
    ui::{self, Telling, Ui},
    variables::Variables,
};

/// The hidden verb with which `mer` calls itself to be the watcher of its models.
pub(crate) const WATCHER_VERB: &str = "internal-watcher";

/// Journal segments, or bytes in them, from which on a run that is over moves them into the database, so that a machine
/// on which nobody ever asks for the log does not fill up.
const MANY_SEGMENTS: usize = 256;
/// See [`MANY_SEGMENTS`].
const MANY_BYTES: u64 = 8 * 1024 * 1024;
/// Runs of one `mer` for each look at the journal, the first included.
const LOOK_EVERY: u32 = 256;

/// One `mer`, from its start to its end.
#[derive(Debug)]
pub(crate) struct App {
    /// The settings with their origins.
    pub(crate) loaded: Loaded,
    pub(crate) settings: Settings,
    pub(crate) database: Database,
    pub(crate) signals: Signals,
    pub(crate) ssh: Ssh,
    /// What the environment says of the caller.
    claims: Claims,
    /// The environment that this `mer` was given, and what processes get of it.
    given: Arc<CallerEnvironment>,
    scheduler: OnceCell<Arc<Scheduler>>,
    /// For a database on a server.
    drainer: RefCell<Option<Drainer>>,
    runs: Cell<u32>,
    /// How the command at hand talks; nothing is told before there is one.
    pub(crate) ui: Cell<Option<Ui>>,
}

impl App {
    /// Touches neither the data folder nor the database. Must be called within the runtime.
    ///
    /// # Errors
    /// The database's URL is none, or signals cannot be listened to.
    pub(crate) fn new(loaded: Loaded, environment: &Variables) -> Result<Self, CliError> {
        let settings = loaded.settings.clone();
        let database = Database::new(database::settings(
            &settings,
            settings.driver_login(),
            environment,
            loaded.database_is_local,
        )?);
        let signals = Signals::listen()?;
        if std::process::id() == 1 {
            // What every process of a container leaves behind is adopted by its first one.
            tokio::spawn(mer_meal::reap_orphans());
        }
        let asks = !settings.no_input && ui::stdin_is_terminal() && io::stderr().is_terminal();
        let secrets = loaded
            .passwords
            .iter()
            .map(|password| password.reveal().to_owned())
            .chain(environment.text("PGPASSWORD").map(str::to_owned));
        let given = Arc::new(CallerEnvironment::new(environment.all().clone(), secrets));
        let ssh = Ssh::new(environment, Arc::clone(&given), &loaded.folder, asks);
        let (scheduler, drainer, runs) = (OnceCell::new(), RefCell::default(), Cell::new(0));
        let (claims, ui) = (caller::claims(environment), Cell::new(None));
        Ok(Self { loaded, settings, database, signals, ssh, claims, given, scheduler, drainer, runs, ui })
    }

    /// Opens the database and sees to it that its schema is this version's: an embedded one is migrated, a server's is
    /// checked.
    ///
    /// # Errors
    /// It cannot be opened (74, 75), or its schema is another one (78).
    pub(crate) async fn session(&self) -> Result<Session, CliError> {
        let _told = self.telling_of_database();
        self.session_untold().await
    }

    /// As [`App::session`], for a caller that tells of the wait itself.
    ///
    /// # Errors
    /// As [`App::session`].
    pub(crate) async fn session_untold(&self) -> Result<Session, CliError> {
        self.checked(self.database.session().await?, false).await.map(|(session, _)| session)
    }

    /// Another session of a command that has had one, whose schema need not be looked at again.
    ///
    /// # Errors
    /// It cannot be opened (74, 75).
    pub(crate) async fn another_session(&self) -> Result<Session, CliError> {
        let _told = self.telling_of_database();
        Ok(self.database.session().await?)
    }

    /// As [`App::session`], but a database that a newer MER has migrated is opened too, with a warning: only to be read,
    /// as far as this version understands it.
    ///
    /// # Errors
    /// As [`App::session`].
    pub(crate) async fn session_of_any_age(&self) -> Result<Session, CliError> {
        let _told = self.telling_of_database();
        self.checked(self.database.session().await?, true).await.map(|(session, _)| session)
    }

    /// The session, and whether the database is a newer one.
    async fn checked(&self, session: Session, may_be_newer: bool) -> Result<(Session, bool), CliError> {
        let policy = if self.database.settings().url.is_embedded() { Policy::Migrate } else { Policy::Check };
        match mer_migrations::ensure_current(&session, policy).await {
            Ok(_) => Ok((session, false)),
            Err(error @ MigrationError::Newer { .. }) if may_be_newer => {
                tracing::warn!("{error}: what only that version knows is left out");
                Ok((session, true))
            }
            Err(error) => {
                // The reason why it cannot be used matters more than how it closed.
                let _ = session.close().await;
                Err(error.into())
            }
        }
    }

    /// The scheduler, made for the database of the first registry that was read.
    pub(crate) fn scheduler(&self, view: &View) -> &Arc<Scheduler> {
        self.scheduler.get_or_init(|| {
            let owner = JournalOwner {
                host: caller::host(),
                pid: std::process::id(),
                mer_version: env!("CARGO_PKG_VERSION").to_owned(),
            };
            Arc::new(Scheduler::new(Config {
                executor: self.executor(),
                remote: self.ssh.remote(),
                weights: WeightsCache::new(
                    self.database.clone(),
                    self.settings.cache_dir.join("weights"),
                    self.settings.cache_limit,
                ),
                journal: Journal::new(self.database.journal_dir(), view.database_uid, owner)
                    .at(self.database.location()),
                environment: Arc::clone(&self.given),
                caller: caller::name(),
                caller_claims: self.claims.clone(),
                caller_pid: std::process::id(),
            }))
        })
    }

    /// Tells that there is, or soon will be, something in the journal: a database on a server is to hear of it while the
    /// run goes on.
    pub(crate) fn moves_records(&self, view: &View) {
        if self.database.settings().url.is_embedded() {
            return;
        }
        let scheduler = self.scheduler(view);
        let mut drainer = self.drainer.borrow_mut();
        drainer.get_or_insert_with(|| Drainer::start(self.database.clone(), Arc::clone(scheduler))).wake();
    }

    /// Says how the command at hand talks.
    pub(crate) fn talks(&self, ui: Ui) {
        self.ui.set(Some(ui));
    }

    /// Tells of a wait while what it gives lives, where there is a person to see it.
    pub(crate) fn telling(&self, line: impl FnOnce() -> String) -> Option<Telling> {
        self.ui.get()?.telling(line)
    }

    /// The same, of a wait for the database.
    pub(crate) fn telling_of_database(&self) -> Option<Telling> {
        self.telling(|| {
            let (url, wait) = (&self.database.settings().url, self.settings.db_wait);
            format!("waiting for the database `{url}` (at most {wait}: `--db-wait`; Ctrl-C ends the wait)")
        })
    }

    /// The same, of a wait for the end of a model that was told to end.
    pub(crate) fn telling_of_end(&self, model: &str) -> Option<Telling> {
        self.telling(|| format!("waiting for `{model}` to end (at most its `grace`; Ctrl-C once more ends it at once)"))
    }

    /// Hears from the scheduler what a request waits for, and tells of it.
    pub(crate) fn watch(&self) -> Option<WaitObserver> {
        let ui = self.ui.get()?;
        let told: Mutex<Option<Telling>> = Mutex::default();
        Some(WaitObserver::new(move |wait| {
            // The line before goes first.
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            told.take();
            *told = wait.and_then(|wait| ui.telling(|| wait.to_string()));
        }))
    }

    /// `user@host` of who calls.
    pub(crate) fn caller(&self) -> String {
        caller::name()
    }

    fn executor(&self) -> Executor {
        // The link survives an upgrade of the file underneath. An empty root folder may have no /proc: then it is found by
        // the name it was called by.
        let link = PathBuf::from("/proc/self/exe");
        let self_exe = if link.exists() { link } else { own_path().unwrap_or(link) };
        Executor::local(LocalConfig { self_exe, watcher_argv: vec![WATCHER_VERB.to_owned()] })
    }

    /// Opens the database for `mer migrate`, with that program's own credentials; whatever its schema is.
    ///
    /// # Errors
    /// It cannot be opened (74, 75).
    pub(crate) async fn migrations_session(&self) -> Result<Session, CliError> {
        let _told = self.telling_of_database();
        Ok(self.migrations_session_within(self.database.settings().wait).await?)
    }

    /// The same, with another bound on the wait.
    ///
    /// # Errors
    /// As [`Database::session`].
    pub(crate) async fn migrations_session_within(&self, wait: Duration) -> Result<Session, DalError> {
        let mine = self.database.settings();
        // A database in memory is the same place only by the same handle.
        if matches!(mine.url, DbUrl::Memory) {
            return self.database.session().await;
        }
        let mut settings = mer_dal::Settings { wait, ..mine.clone() };
        if let Some(login) = self.settings.migrations_login() {
            database::log_in_as(&mut settings, login);
        }
        Database::new(settings).session().await
    }

    /// Refuses what changes the registry, unless this `mer` was started with leave to do so.
    ///
    /// # Errors
    /// It is not allowed (77); the hint is the whole line to type.
    pub(crate) fn check_changes_allowed(&self, typed: &Typed) -> Result<(), CliError> {
        if self.settings.allow_model_server_runtime_changes {
            return Ok(());
        }
        Err(CliError::new(Kind::Refused, "changing models and servers is not allowed here")
            .hint(format!("mer --allow-model-server-runtime-changes {}", typed.line())))
    }

    /// What is to be done after a run: where much has piled up in the journal, it is moved into the database, if nobody
    /// else has that open.
    pub(crate) async fn after_run(&self) {
        if let Some(drainer) = &*self.drainer.borrow() {
            drainer.wake();
            return;
        }
        // One look serves many runs: a script has but one segment.
        let runs = self.runs.replace(self.runs.get().wrapping_add(1));
        if !runs.is_multiple_of(LOOK_EVERY) {
            return;
        }
        let pending = self.database.pending();
        if pending.segments < MANY_SEGMENTS && pending.bytes < MANY_BYTES {
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
            // The next command will do it.
            tracing::debug!(error = &error as &dyn std::error::Error, "the journal was not drained");
        }
    }

    /// Ends what is kept warm, and moves the last records into a database on a server.
    pub(crate) async fn stop(&self) {
        if let Some(scheduler) = self.scheduler.get() {
            let _told =
                self.telling(|| "waiting for models to end (at most their `grace`; Ctrl-C ends them)".to_owned());
            tokio::select! {
                biased;
                () = scheduler.stop() => {}
                // What is not asked any more is killed.
                _ = self.signals.next() => {}
            }
        }
        let drainer = self.drainer.take();
        if let Some(mut drainer) = drainer {
            let _told = self.telling(|| "moving the last records into the database (at most 2 s)".to_owned());
            drainer.finish().await;
        }
    }
}

/// Where this binary is, told without `/proc`: by the word it was called with.
fn own_path() -> Option<PathBuf> {
    let word = PathBuf::from(std::env::args_os().next()?);
    if word.components().count() > 1 {
        return std::path::absolute(word).ok();
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(&word)).find(|file| file.is_file())
}
