//! What commands work with: the settings, the service, the signals, and where output goes.

mod confirm;
mod database;
mod events;
mod secrets;
mod signals;
mod ssh;

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use mer_meal::{Executor, LocalConfig};
use mer_scheduler::{CallerEnvironment, WaitObserver};
use mer_service::{Caller, ModelHost, Runtime};

use self::events::UiEvents;
pub(crate) use signals::{Signals, Streams, unblock};
pub(crate) use ssh::Ssh;

use crate::{
    cli::CommandLine,
    config::{Loaded, Settings},
    errors::CliError,
    ui::{self, Ui, WaitNotice},
    variables::Variables,
};

/// The hidden verb with which `mer` calls itself to be the watcher of its models.
pub(crate) const WATCHER_VERB: &str = "internal-watcher";

/// One `mer` process, from its start to its end.
#[derive(Debug)]
pub(crate) struct App {
    /// The settings with their origins.
    pub(crate) loaded: Loaded,
    pub(crate) settings: Settings,
    /// The service.
    pub(crate) runtime: Runtime,
    pub(crate) signals: Signals,
    pub(crate) ssh: Ssh,
    events: Arc<UiEvents>,
}

impl App {
    /// Touches neither the data folder nor the database. Must be called within the runtime.
    ///
    /// # Errors
    /// The database's URL is not valid, or signals cannot be listened to.
    pub(crate) fn new(loaded: Loaded, environment: &Variables) -> Result<Self, CliError> {
        let settings = loaded.settings.clone();
        let caller = Caller::of_this_process(environment.all());
        let database =
            database::settings(&settings, settings.driver_login(), environment, &caller, loaded.database_is_local)?;
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
        let events = Arc::new(UiEvents::new(database.url.to_string(), settings.db_wait));
        let runtime = Runtime::new(mer_service::Settings {
            database,
            migrations_login: settings.migrations_login().map(database::login),
            training_dir: settings.data_dir.join("training"),
            weights_dir: settings.cache_dir.join("weights"),
            weights_limit: settings.cache_limit,
            resources: settings.resources.0.clone(),
            pool: settings.pool.clone(),
            executor: executor(),
            remote: ssh.remote(),
            environment: given,
            caller,
            events: Arc::clone(&events) as _,
        });
        Ok(Self { loaded, settings, runtime, signals, ssh, events })
    }

    /// The host that runs models: the scheduler of this process.
    pub(crate) const fn model_host(&self) -> &impl ModelHost {
        &self.runtime
    }

    /// Sets where output of the command at hand goes.
    pub(crate) fn set_ui(&self, ui: Ui) {
        self.events.set_ui(ui);
    }

    /// Where output of the command at hand goes; nothing before there is one.
    pub(crate) fn ui(&self) -> Option<Ui> {
        self.events.ui()
    }

    /// Shows a wait until what it returns is dropped, if there is a person to see it.
    pub(crate) fn show_wait(&self, line: impl FnOnce() -> String) -> Option<WaitNotice> {
        self.events.show_wait(line)
    }

    /// The same, of a wait for the end of a model that was told to end.
    pub(crate) fn show_end_wait(&self, model: &str) -> Option<WaitNotice> {
        self.show_wait(|| {
            format!("waiting for `{model}` to end (at most its `grace`; Ctrl-C once more ends it at once)")
        })
    }

    /// Shows what the scheduler waits for.
    pub(crate) fn watch(&self) -> Option<WaitObserver> {
        let ui = self.ui()?;
        let shown: Mutex<Option<WaitNotice>> = Mutex::default();
        Some(WaitObserver::new(move |wait| {
            // The line before goes first.
            let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
            shown.take();
            *shown = wait.and_then(|wait| ui.wait_notice(|| wait.to_string()));
        }))
    }

    /// Refuses to change the registry, unless this `mer` was started with the permission to do so.
    ///
    /// # Errors
    /// It is not allowed (77); the hint is the whole line to type.
    pub(crate) fn check_changes_allowed(&self, command_line: &CommandLine) -> Result<(), CliError> {
        if self.settings.allow_model_server_runtime_changes {
            return Ok(());
        }
        Err(CliError::refused("changing models and servers is not allowed here")
            .hint(format!("mer --allow-model-server-runtime-changes {}", command_line.line())))
    }

    /// Ends warm processes, and moves the last records into a database on a server. A signal ends the wait for processes.
    pub(crate) async fn stop(&self) {
        self.runtime
            .shut_down(async {
                let _ = self.signals.next().await;
            })
            .await;
    }
}

/// Starts processes of this machine.
fn executor() -> Executor {
    // The link survives an upgrade of the file underneath. An empty root folder may have no /proc: then the file is found by
    // the name that it was called by.
    let link = PathBuf::from("/proc/self/exe");
    let self_exe = if link.exists() { link } else { own_path().unwrap_or(link) };
    Executor::local(LocalConfig { self_exe, watcher_argv: vec![WATCHER_VERB.to_owned()] })
}

/// The path of this binary without `/proc`: by the name that it was called by.
fn own_path() -> Option<PathBuf> {
    let word = PathBuf::from(std::env::args_os().next()?);
    if word.components().count() > 1 {
        return std::path::absolute(word).ok();
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(&word)).find(|file| file.is_file())
}
