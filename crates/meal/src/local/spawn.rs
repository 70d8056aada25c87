//! Starts local processes.

use std::{
    io,
    os::{fd::OwnedFd, unix::process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use mer_core::{RunSpec, not_started};
use rustix::io::Errno;

use super::{
    control::LocalControl,
    holding::{Holder, Holding},
    resolve::{explain, resolve},
    runnable, sigchld,
    strays::{self, Strays},
    watcher_client::WatcherClient,
};
use crate::{
    Control, Held, LocalConfig, Pipe, Run, StartError, StdinPipe, WATCH_VARIABLE, run::check_strings, watcher::Mark,
};

/// Number of retries for a program that is being written (ETXTBSY), and the pause between them.
const BUSY_TRIES: u32 = 10;
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// Starts processes on this machine.
#[derive(Debug, Clone)]
pub(crate) struct LocalExecutor {
    self_exe: Arc<Path>,
    watcher: Option<Arc<WatcherClient>>,
    heeded: Arc<OnceLock<()>>,
}

impl LocalExecutor {
    pub(crate) fn new(config: LocalConfig) -> Self {
        let LocalConfig { self_exe, watcher_argv } = config;
        let watcher = (!watcher_argv.is_empty()).then(|| Arc::new(WatcherClient::new(self_exe.clone(), watcher_argv)));
        Self { self_exe: self_exe.into(), watcher, heeded: Arc::default() }
    }

    /// Returns the program that would be started, after the checks that a start makes.
    pub(crate) fn resolve(&self, spec: &RunSpec) -> Result<PathBuf, StartError> {
        let program = resolve(spec, &self.self_exe)?;
        check_strings(spec)?;
        runnable::check(&program)?;
        Ok(program)
    }

    /// Returns what holds this for processes that are started on this or another machine.
    pub(crate) fn holder(&self, held: Arc<dyn Held>) -> Holder {
        Holder { held, watcher: self.watcher.clone() }
    }

    pub(crate) fn start(&self, spec: &RunSpec, holder: Option<&Holder>) -> Result<Run, StartError> {
        let started_at = Instant::now();
        let program = resolve(spec, &self.self_exe)?;
        check_strings(spec)?;
        self.heeded.get_or_init(|| {
            if self.watcher.is_some() {
                strays::adopt_and_reap();
            }
            if let Err(error) = sigchld::heed() {
                tracing::warn!(%error, "SIGCHLD is ignored, and could not be handled: the exit statuses of models will be unknown");
            }
        });
        // The watcher is started before the first model, so that a kill -9 of this process finds it running.
        if let Some(watcher) = &self.watcher {
            watcher.ensure().map_err(|source| StartError::Watcher { path: self.self_exe.to_path_buf(), source })?;
        }
        let mut command = Command::new(&program);
        command.arg0(&spec.argv[0]).args(&spec.argv[1..]).env_clear().envs(&spec.env).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(cwd) = &spec.cwd {
            command.current_dir(cwd);
        }
        let (number, mark) = self.watcher.as_ref().map(|watcher| watcher.mark(spec.leave_children)).unzip();
        if let Some(mark) = &mark {
            command.env(WATCH_VARIABLE, mark);
        }
        let held = holder.map(|Holder { held, .. }| held);
        let number = number.unwrap_or(0);
        let holding = held.map(|held| Holding::local(held, self.watcher.as_ref(), number)).transpose();
        let holding = holding.map_err(|source| StartError::Watcher { path: self.self_exe.to_path_buf(), source })?;
        let strays = mark.filter(|_| !spec.leave_children).map(|mark| Strays::of(Mark::one(&mark)));
        let mut child = spawn(&mut command).map_err(|source| explain(&program, not_started(source)))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        // From here on dropping `control` kills the process.
        let failed = |source| StartError::Spawn { path: program.clone(), source };
        let control = LocalControl::new(&child, self.watcher.clone(), strays, number, spec.bounds.grace, holding)
            .map_err(failed)?;
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(failed(io::Error::from(Errno::BADF)));
        };
        Ok(Run {
            stdin: StdinPipe::new(OwnedFd::from(stdin)).map_err(failed)?,
            stdout: Pipe::new(OwnedFd::from(stdout)).map_err(failed)?,
            stderr: Pipe::new(OwnedFd::from(stderr)).map_err(failed)?,
            control: Control::local(control),
            started_in: started_at.elapsed(),
            started_at,
            job: None,
        })
    }
}

/// Spawns, and retries a file that is still open for writing, as after an install or a copy.
fn spawn(command: &mut Command) -> io::Result<Child> {
    for _ in 0..BUSY_TRIES {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => std::thread::sleep(BUSY_PAUSE),
            result => return result,
        }
    }
    command.spawn()
}
