//! Starts a remote process: the wrapper greets, the watchdog takes its group, then the program starts.

use std::{sync::Arc, time::Instant};

use mer_core::RunSpec;
use tokio::sync::oneshot;

use super::{
    RemoteControl,
    await_greeting::{START_BOUND, await_greeting},
    shell_line,
};
use crate::{
    Control, Run, StartError,
    local::{Holder, Holding},
    ssh::{
        SshError,
        pool::{LocalPipes, OpenShell, Pool},
        session::{GuardFolder, GuardSlot, GuardedGroup, Request, RunState, SessionHandle, nonce, tenths},
    },
};

/// A remote wrapper that waits for its line.
pub(in crate::ssh) struct Shell {
    pub(in crate::ssh) pipes: LocalPipes,
    pub(in crate::ssh) run_state: Arc<RunState>,
    handle: SessionHandle,
    guarded: GuardedGroup,
    guard: GuardSlot,
    folder: Option<(SessionHandle, Arc<GuardFolder>)>,
    /// The word of the marker that reports the exit status.
    mark: String,
    /// Whether it was started in advance.
    spare: bool,
}

/// Starts a process.
pub(in crate::ssh) async fn start(pool: &Pool, spec: &RunSpec, holder: Option<&Holder>) -> Result<Run, StartError> {
    let started_at = Instant::now();
    // `SendEnv` and `SetEnv` are set by the wrapper, which needs no round trip. The model's own variables win.
    let mut spec = spec.clone();
    for (name, value) in &pool.route.variables {
        spec.env.entry(name.into()).or_insert_with(|| value.into());
    }
    let holding = holder.map(Holding::remote).transpose();
    let holding = holding.map_err(|source| SshError::resources(pool.host(), "watcher", source))?;
    // Until it is known how the start ended, a process may be there.
    let mut holding = HoldingAtStart(holding);
    let started = match attempt(pool, &spec, true).await {
        Ok(Some(run)) => Ok(run),
        // The wrapper could not use the folder of the watchdog, or had ended. Nothing was started.
        Ok(None) => match attempt(pool, &spec, false).await {
            Ok(run) => run.ok_or_else(|| not_guarded(pool).into()),
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    let mut run = match started {
        Ok(run) => run,
        Err(error) => {
            if !matches!(error, StartError::Ssh(_)) {
                drop(holding.0.take());
            }
            return Err(error);
        }
    };
    run.control.hold(holding.0.take());
    Ok(Run { started_in: started_at.elapsed(), started_at, ..run })
}

/// What a process holds whose start is in progress, and may have been cut off.
struct HoldingAtStart(Option<Holding>);

impl Drop for HoldingAtStart {
    fn drop(&mut self) {
        if let Some(holding) = self.0.take() {
            holding.outlast(std::future::ready(false));
        }
    }
}

/// Starts a process. In the quick way it uses the folder of the watchdog and a wrapper that was started in advance, and
/// returns `None` if these were of no use.
async fn attempt(pool: &Pool, spec: &RunSpec, quick: bool) -> Result<Option<Run>, StartError> {
    let started_at = Instant::now();
    // Errors in the command are reported before connecting.
    shell_line::exec(spec, "", None)?;
    // Waiting for a connection and a free channel has bounds of its own.
    let mut shell = match Shell::take_spare(pool, quick).await {
        Some(spare) => spare,
        None => Shell::open(pool, quick).await?,
    };
    let begin = async {
        let (control, line) = match shell.folder.clone() {
            Some((watch, folder)) => {
                let name = format!("{}.{}", tenths(spec.bounds.grace), nonce());
                let line = shell_line::exec(spec, &shell.mark, Some((&folder, &name)))?;
                shell.guarded.name = Some(name);
                (shell.guard_by_name(watch, spec), line)
            }
            None => {
                let watch = pool.guard(&shell.handle, &shell.guarded, spec.bounds.grace, &shell.run_state).await?;
                (shell.guarded_by(watch), shell_line::exec(spec, &shell.mark, None)?)
            }
        };
        let sent = shell.send(pool, &line).await;
        pool.prepare();
        let answer = match sent {
            Ok(()) => shell.answer(pool).await,
            Err(error) => Err(error),
        };
        // The wrapper had ended before its line came: nothing was started, because it answers before that.
        if shell.spare && answer.as_ref().map_or(true, Vec::is_empty) && shell.handle.is_alive() {
            return Ok(None);
        }
        let answer = answer?;
        if let (shell_line::NOT_GUARDED, Some((_, folder))) = (answer.as_slice(), &shell.folder) {
            folder.refuse();
            return Ok(None);
        }
        check(pool, spec, &answer)?;
        Ok::<_, StartError>(Some(control))
    };
    let control = match tokio::time::timeout(START_BOUND, begin).await {
        Ok(result) => result?,
        Err(_) => return Err(SshError::StartTimedOut { host: pool.host(), after: START_BOUND }.into()),
    };
    let LocalPipes { stdin, stdout, stderr } = shell.pipes;
    Ok(control.map(|control| {
        let control = Control::remote(control);
        Run { stdin, stdout, stderr, control, started_in: started_at.elapsed(), started_at, job: None }
    }))
}

fn not_guarded(pool: &Pool) -> SshError {
    SshError::NoShell { host: pool.host(), detail: "no watchdog guards its group".to_owned() }
}

/// Evaluates the answer of the wrapper.
pub(in crate::ssh) fn check(pool: &Pool, spec: &RunSpec, answer: &[u8]) -> Result<(), StartError> {
    let command = || spec.argv.first().cloned().unwrap_or_default();
    match answer {
        shell_line::STARTED => Ok(()),
        shell_line::NOT_FOUND => Err(StartError::NotFound {
            command: command(),
            searched: if command().contains('/') {
                format!("the files of `{}`", pool.host())
            } else {
                format!("the PATH of `{}` on `{}`", pool.route.target.user, pool.host())
            },
        }),
        shell_line::NOT_EXECUTABLE => Err(StartError::NotExecutable { path: command().into() }),
        shell_line::NO_DIRECTORY => Err(StartError::BadWorkingDirectory {
            path: spec.cwd.clone().unwrap_or_default(),
            source: std::io::Error::new(std::io::ErrorKind::NotADirectory, format!("`cd` failed on `{}`", pool.host())),
        }),
        other => {
            let detail = format!("the shell answered `{}`", String::from_utf8_lossy(other).trim());
            Err(SshError::NoShell { host: pool.host(), detail }.into())
        }
    }
}

impl Shell {
    /// Opens a channel and waits for the greeting. The folder of the watchdog is used if it is wanted, and there is one.
    pub(in crate::ssh) async fn open(pool: &Pool, want_folder: bool) -> Result<Self, SshError> {
        Self::greeted(pool, pool.open(want_folder).await?).await
    }

    /// Takes the wrapper that was started for the next run, if there is one and it greets.
    async fn take_spare(pool: &Pool, quick: bool) -> Option<Self> {
        if !quick {
            return None;
        }
        let shell = Self::greeted(pool, pool.take_spare().await?).await.ok()?;
        Some(Self { spare: true, ..shell })
    }

    async fn greeted(pool: &Pool, open: OpenShell) -> Result<Self, SshError> {
        let OpenShell { handle, mut pipes, run_state, guard, folder, nonce, mark, .. } = open;
        let (group, greeting) = await_greeting(pool, &mut pipes, &nonce).await?;
        let guarded = GuardedGroup { group, namespace: greeting.namespace, name: None };
        Ok(Self { pipes, run_state, handle, guarded, guard, folder, mark, spare: false })
    }

    /// Puts the group under the guard of the watchdog without waiting: the wrapper puts its name into the folder before it
    /// starts the program, and fails if the watchdog is gone.
    fn guard_by_name(&self, watch: SessionHandle, spec: &RunSpec) -> RemoteControl {
        let (reply, _) = oneshot::channel();
        watch.send(Request::Guard {
            guarded: self.guarded.clone(),
            grace: spec.bounds.grace,
            run_state: Arc::clone(&self.run_state),
            run: Arc::clone(self.handle.shared()),
            reply,
        });
        self.guarded_by(watch)
    }

    /// The control of the group. From here on dropping it ends the group.
    fn guarded_by(&self, watch: SessionHandle) -> RemoteControl {
        let group = self.guarded.group;
        let _ = self.guard.set((watch.clone(), group));
        RemoteControl::new(group, watch, Arc::clone(&self.run_state))
    }

    /// Sends the line and reads the answer.
    pub(in crate::ssh) async fn run_line(&mut self, pool: &Pool, line: &str) -> Result<Vec<u8>, SshError> {
        self.send(pool, line).await?;
        self.answer(pool).await
    }

    async fn send(&mut self, pool: &Pool, line: &str) -> Result<(), SshError> {
        let lost = |detail: String| SshError::ConnectionLost { host: pool.host(), detail };
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            match self.pipes.stdin.write(rest).await {
                Ok(0) => return Err(lost("the command's input was closed before it began".to_owned())),
                Ok(count) => rest = &rest[count..],
                Err(error) => return Err(lost(error.to_string())),
            }
        }
        Ok(())
    }

    async fn answer(&mut self, pool: &Pool) -> Result<Vec<u8>, SshError> {
        let lost = |detail: String| SshError::ConnectionLost { host: pool.host(), detail };
        self.pipes.stdout.first(shell_line::STARTED.len()).await.map_err(|error| lost(error.to_string()))
    }
}
