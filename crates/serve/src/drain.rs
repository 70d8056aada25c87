//! Drains the journal in another process: the engine of the database would take memory of this one for good.

use std::{
    cell::Cell,
    ffi::OsString,
    fmt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    rc::Rc,
    time::{Duration, Instant},
};

/// Bound on one drain; the next one goes on where it ended.
const BOUND: Duration = Duration::from_secs(300);
/// Pause between looks at whether it has ended.
const LOOK: Duration = Duration::from_millis(200);

/// How to start the program that drains the journal of an embedded database.
#[derive(Clone, Default)]
pub struct DrainCommand {
    /// The program; none is started if it is empty.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Variables that it gets beside those of this process.
    pub environment: Vec<(OsString, OsString)>,
    /// Variables of this process that it does not get.
    pub removed: Vec<OsString>,
}

/// Prints the number of variables only: any of them may hold a secret.
impl fmt::Debug for DrainCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, arguments, environment, removed } = self;
        let mut shown = f.debug_struct("DrainCommand");
        shown
            .field("program", program)
            .field("arguments", arguments)
            .field("environment", &environment.len())
            .field("removed", removed)
            .finish()
    }
}

/// Starts at most one process at a time that drains the journal.
#[derive(Debug)]
pub(crate) struct DrainProcess {
    command: DrainCommand,
    is_running: Rc<Cell<bool>>,
}

impl DrainProcess {
    pub(crate) fn new(command: DrainCommand) -> Self {
        Self { command, is_running: Rc::default() }
    }

    /// Starts it in the background, unless it is running.
    pub(crate) fn start(&self) {
        let DrainCommand { program, arguments, environment, removed } = &self.command;
        if program.as_os_str().is_empty() || self.is_running.replace(true) {
            return;
        }
        let mut command = Command::new(program);
        for name in removed {
            command.env_remove(name);
        }
        command.args(arguments).envs(environment.iter().cloned()).stdin(Stdio::null()).stdout(Stdio::null());
        let is_running = Rc::clone(&self.is_running);
        match command.spawn() {
            Ok(child) => drop(tokio::task::spawn_local(async move {
                wait(child).await;
                is_running.set(false);
            })),
            Err(error) => {
                tracing::warn!("the journal could not be drained: {error}");
                is_running.set(false);
            }
        }
    }
}

async fn wait(mut child: Child) {
    let deadline = Instant::now() + BOUND;
    loop {
        match child.try_wait() {
            Ok(None) if Instant::now() < deadline => tokio::time::sleep(LOOK).await,
            Ok(Some(status)) => {
                tracing::debug!(%status, "the journal was drained");
                return;
            }
            // It took too long, or was waited for by another part of this process.
            _ => {
                let _ = child.kill();
                let _ = child.try_wait();
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::LocalSet;

    use super::*;

    #[tokio::test]
    async fn one_process_drains_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let script = "echo x >> \"$1/runs\"; while [ ! -e \"$1/go\" ]; do sleep 0.01; done";
        let arguments = ["-c", script, "sh"].map(OsString::from);
        let drain = DrainProcess::new(DrainCommand {
            program: "sh".into(),
            arguments: arguments.into_iter().chain([folder.path().into()]).collect(),
            environment: Vec::new(),
            removed: Vec::new(),
        });
        let runs = || std::fs::read_to_string(folder.path().join("runs")).unwrap_or_default().lines().count();
        let work = async {
            drain.start();
            drain.start();
            while runs() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            std::fs::write(folder.path().join("go"), "").expect("a file");
            while drain.is_running.get() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert_eq!(runs(), 1);
            drain.start();
            while drain.is_running.get() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert_eq!(runs(), 2);
        };
        let tasks = LocalSet::new();
        tokio::time::timeout(Duration::from_secs(30), tasks.run_until(work)).await.expect("in time");
    }
}
