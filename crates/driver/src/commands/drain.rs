//! `mer internal-drain`, which moves the journal into an embedded database in a process of its own: the engine of the database
//! then takes no memory of the process that started it.

use std::{
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
};

use mer_scheduler::is_of_service_manager;
use mer_serve::DrainCommand;
use mer_service::log;

use crate::{app::App, engine::own_program, errors::CliError};

/// Moves the journal into the database, and puts the ends of detached runs on record.
pub(super) async fn drain(app: &App) -> Result<(), CliError> {
    let drained = log::drain(&app.runtime, Vec::new()).await.map(drop);
    app.runtime.collect_detached().await;
    drained.map_err(CliError::from)
}

/// Returns how `mer` calls itself to move the journal into the database.
pub(super) fn drain_command(app: &App) -> DrainCommand {
    let environment = app.loaded.variables().into_iter().map(|(name, value)| (name.into(), value));
    let own = app.runtime.settings().environment.variables().keys();
    let removed = own.filter(|name| is_of_service_manager(name.as_encoded_bytes()));
    DrainCommand {
        program: own_program(),
        arguments: ["internal-drain", "--no-dotenv", "--no-input"].map(Into::into).into(),
        environment: environment.collect(),
        removed: removed.cloned().collect(),
    }
}

/// Drains a journal that has become long beside a command that goes on meanwhile, and may end before.
#[derive(Debug, Default)]
pub(super) struct BackgroundDrain {
    child: Option<Child>,
}

impl BackgroundDrain {
    /// Starts a process that drains the journal if it is long, unless there is one already.
    pub(super) fn start_if_long(&mut self, app: &App) {
        let is_running = self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)));
        if is_running || !app.runtime.measures_long_journal() {
            return;
        }
        let DrainCommand { program, arguments, environment, removed } = drain_command(app);
        let mut command = Command::new(program);
        for name in removed {
            command.env_remove(name);
        }
        command.args(arguments).envs(environment);
        // A group of its own: Ctrl-C is for what the terminal waits for.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        match command.spawn() {
            Ok(child) => self.child = Some(child),
            // The next command tries again.
            Err(error) => tracing::debug!("the journal was not drained: {error}"),
        }
    }
}
