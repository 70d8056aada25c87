//! What commands work with: the settings, the service, the signals, and where output goes.

mod confirm;
mod database;
mod events;
mod secrets;
mod signals;
mod ssh;

use std::{
    io::{self, IsTerminal as _},
    sync::{Arc, Mutex, PoisonError},
};

use mer_core::ServerSpec;
use mer_meal::{Executor, LocalConfig};
use mer_scheduler::{CallerEnvironment, DetachedHost, WaitObserver};
use mer_service::{Caller, ModelHost, Runtime};

use self::events::UiEvents;
pub(crate) use signals::{Signals, Streams, unblock};
pub(crate) use ssh::Ssh;

use crate::{
    cli::CommandLine,
    config::{Environment, Loaded, Settings},
    engine::{Engine, own_program},
    errors::CliError,
    service_manager::ServiceManager,
    ui::{self, Ui, WaitNotice},
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
    pub(crate) runtime: Arc<Runtime>,
    /// Chooses where models run.
    pub(crate) engine: Engine,
    pub(crate) signals: Signals,
    pub(crate) ssh: Ssh,
    pub(crate) service_manager: ServiceManager,
    events: Arc<UiEvents>,
}

impl App {
    /// Touches neither the data folder nor the database. Must be called within the runtime.
    ///
    /// # Errors
    /// The database's URL is not valid, or signals cannot be listened to.
    pub(crate) fn new(loaded: Loaded, process: &Environment) -> Result<Self, CliError> {
        let environment = &process.variables;
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
        let service_manager = ServiceManager::new(environment);
        let engine = Engine::new(&loaded, &database, &caller, process, asks);
        let runtime = Runtime::new(mer_service::Settings {
            database,
            migrations_login: settings.migrations_login().map(database::login),
            training_dir: settings.data_dir.join("training"),
            weights_dir: settings.cache_dir.join("weights"),
            weights_limit: settings.cache_limit,
            limits_dir: engine.limits_folder(),
            resources: settings.resources.0.clone(),
            pool: settings.pool.clone(),
            executor: executor(),
            remote: ssh.remote(),
            environment: given,
            caller,
            events: Arc::clone(&events) as _,
        });
        Ok(Self { loaded, settings, runtime: Arc::new(runtime), engine, signals, ssh, service_manager, events })
    }

    /// The host that runs models: the scheduler of this process.
    pub(crate) fn model_host(&self) -> &impl ModelHost {
        &*self.runtime
    }

    /// Returns the machine that detached runs of a server are on. `executor` is that of the server.
    pub(crate) fn detached_host(&self, name: &str, spec: &ServerSpec, executor: Executor) -> DetachedHost {
        self.ssh.detached_host(name, spec, executor)
    }

    /// Returns the executor of a server.
    pub(crate) fn executor_of(&self, name: &str, spec: &ServerSpec, accept_new: bool) -> Executor {
        self.ssh.executor_of(name, spec, accept_new, executor())
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
        let show = self.wait_display();
        self.ui()?;
        Some(WaitObserver::new(move |wait| show(wait.map(|wait| wait.to_string()))))
    }

    /// Returns a function that shows what is waited for, and takes it back when it is called with nothing.
    pub(crate) fn wait_display(&self) -> impl Fn(Option<String>) + Send + Sync + 'static {
        let ui = self.ui();
        let shown: Mutex<Option<WaitNotice>> = Mutex::default();
        move |line| {
            // The line before goes first.
            let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
            shown.take();
            *shown = line.and_then(|line| ui?.wait_notice(|| line));
        }
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
    Executor::local(LocalConfig { self_exe: own_program(), watcher_argv: vec![WATCHER_VERB.to_owned()] })
}
