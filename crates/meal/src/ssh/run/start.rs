//! Starts a remote process: the wrapper greets, the watchdog takes its group, then the program starts.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use mer_core::RunSpec;
use rustix::pipe::{PipeFlags, pipe_with};

use super::{
    RemoteControl,
    await_greeting::{START_BOUND, await_greeting},
    shell_line,
};
use crate::{
    Control, Pipe, Run, StartError, StdinPipe,
    local::{Holder, Holding},
    ssh::{
        SshError,
        pool::{LocalPipes, Pool},
        session::{GuardSlot, GuardedGroup, RunState, SessionHandle, SessionPipes, nonce, wrapper},
    },
};

/// A remote wrapper that waits for its line.
pub(in crate::ssh) struct Shell {
    pub(in crate::ssh) pipes: LocalPipes,
    pub(in crate::ssh) run_state: Arc<RunState>,
    handle: SessionHandle,
    guarded: GuardedGroup,
    guard: GuardSlot,
}

/// Starts a process.
pub(in crate::ssh) async fn start(pool: &Pool, spec: &RunSpec, holder: Option<&Holder>) -> Result<Run, StartError> {
    let started_at = Instant::now();
    // `SendEnv` and `SetEnv` are set by the wrapper, which needs no round trip. The model's own variables win.
    let mut spec = spec.clone();
    for (name, value) in &pool.route.variables {
        spec.env.entry(name.into()).or_insert_with(|| value.into());
    }
    let spec = &spec;
    // Errors in the command are reported before connecting.
    let mark = nonce();
    let line = shell_line::exec(spec, &mark)?;
    // Waiting for a connection and a free channel has bounds of its own.
    let mut shell = Shell::open(pool, &mark).await?;
    let holding = holder.map(Holding::remote).transpose();
    let holding = holding.map_err(|source| SshError::resources(pool.host(), "watcher", source))?;
    let begin = async {
        let Shell { handle, guarded, run_state, .. } = &shell;
        let watch = pool.guard(handle, guarded, spec.bounds.grace, run_state).await?;
        // From here on dropping it ends the group.
        let control = RemoteControl::new(guarded.group, watch.clone(), Arc::clone(run_state), holding);
        let _ = shell.guard.set((watch, guarded.group));
        let answer = shell.run_line(pool, &line).await?;
        check(pool, spec, &answer)?;
        Ok::<_, StartError>(control)
    };
    let control = match tokio::time::timeout(START_BOUND, begin).await {
        Ok(result) => result?,
        Err(_) => return Err(SshError::StartTimedOut { host: pool.host(), after: START_BOUND }.into()),
    };
    let LocalPipes { stdin, stdout, stderr } = shell.pipes;
    Ok(Run { stdin, stdout, stderr, control: Control::remote(control), started_in: started_at.elapsed(), started_at })
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
    /// Opens a channel and waits for the greeting. `mark` is the word of the marker that reports the exit status.
    pub(in crate::ssh) async fn open(pool: &Pool, mark: &str) -> Result<Self, SshError> {
        let word = nonce();
        let guard = Arc::new(OnceLock::new());
        let ends = || pipes().map_err(|source| SshError::resources(pool.host(), "pipe", source));
        let (handle, mut pipes, run_state) = pool.open(&wrapper(&word), mark, ends, &guard).await?;
        let guarded = await_greeting(pool, &mut pipes, &word).await?;
        Ok(Self { pipes, run_state, handle, guarded, guard })
    }

    /// Sends the line and reads the answer.
    pub(in crate::ssh) async fn run_line(&mut self, pool: &Pool, line: &str) -> Result<Vec<u8>, SshError> {
        let lost = |detail: String| SshError::ConnectionLost { host: pool.host(), detail };
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            match self.pipes.stdin.write(rest).await {
                Ok(0) => return Err(lost("the command's input was closed before it began".to_owned())),
                Ok(count) => rest = &rest[count..],
                Err(error) => return Err(lost(error.to_string())),
            }
        }
        self.pipes.stdout.first(shell_line::STARTED.len()).await.map_err(|error| lost(error.to_string()))
    }
}

/// Creates three pipes: the local ends, and those of the session's thread.
fn pipes() -> std::io::Result<(SessionPipes, LocalPipes)> {
    let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
    let (input, stdin) = pipe_with(flags)?;
    let (stdout, output) = pipe_with(flags)?;
    let (stderr, errors) = pipe_with(flags)?;
    let pipes = LocalPipes { stdin: StdinPipe::new(stdin)?, stdout: Pipe::new(stdout)?, stderr: Pipe::new(stderr)? };
    Ok((SessionPipes { input, output, errors: Some(errors) }, pipes))
}
