//! Starts a process behind a launcher: two calls of it, then the watchdog guards the group, then the program starts.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use mer_core::{Bound, RunSpec};
use tokio::time::timeout;

use super::{
    LauncherControl, LauncherError,
    control::LAST_WORDS,
    executor::LauncherExecutor,
    guard::{Guarded, guard},
    shell::{Shell, shown},
    watchdog::Watchdog,
};
use crate::{
    Control, Pipe, Run, StartError, StdinPipe,
    exit_marker::{begin_word, marker_start},
    local::{Holder, Holding},
    shell_words::{Prepared, quote},
    ssh::{RunState, is_same_namespace, nonce, tenths},
    stderr_relay::{FrontWords, StderrRelay},
};

/// Bound on starting the shells, and on the answer of the one that starts the program. A launcher may fetch credentials.
const START_BOUND: Duration = Duration::from_secs(60);
/// Length of the answer of the wrapper.
const ANSWER_BYTES: usize = 4;
/// What the launcher says while the process runs cannot be told from the process's own stderr.
const NO_WORDS: FrontWords = FrontWords { removed: std::convert::identity, ends: |_| false };

/// A process that has begun.
struct Begun {
    stdin: StdinPipe,
    stdout: Pipe,
    stderr: Pipe,
    control: LauncherControl,
}

impl LauncherExecutor {
    /// Starts a process, and returns once it is guarded and has begun.
    pub(crate) async fn start(&self, spec: &RunSpec, holder: Option<&Holder>) -> Result<Run, StartError> {
        let started_at = Instant::now();
        // Errors in the command are reported before anything is called.
        Prepared::new(spec)?;
        let holding = holder.map(Holding::remote).transpose();
        let holding = holding.map_err(|source| StartError::Watcher { path: "mer".into(), source })?;
        let shell = Shell::open(self, spec.leave_children);
        let open = async { tokio::try_join!(shell, Watchdog::open(self)) };
        let late = || LauncherError::Late { launcher: self.program(), after: Bound::After(START_BOUND) };
        let (shell, watchdog) = timeout(START_BOUND, open).await.map_err(|_| late())??;
        if !is_same_namespace(watchdog.namespace(), &shell.namespace) {
            let detail = "each call has a PID namespace of its own".to_owned();
            return Err(LauncherError::Apart { launcher: self.program(), detail }.into());
        }
        let Begun { stdin, stdout, stderr, control } = self.begin(spec, shell, watchdog, holding).await?;
        let control = Control::launcher(control);
        Ok(Run { stdin, stdout, stderr, control, started_in: started_at.elapsed(), started_at, job: None })
    }

    /// Puts the group under guard, lets the shell start the program, and reads its answer.
    async fn begin(
        &self,
        spec: &RunSpec,
        mut shell: Shell,
        watchdog: Watchdog,
        holding: Option<Holding>,
    ) -> Result<Begun, StartError> {
        let word = nonce();
        let name = watchdog.folder.as_ref().map(|_| format!("{}.{}", tenths(spec.bounds.grace), nonce()));
        let line = line(spec, &word, watchdog.folder.as_ref().zip(name.as_deref()))?;
        let is_sent = shell.send(&line).await;
        let Shell { run, group, namespace } = shell;
        let Run { stdin, stdout, stderr, control, .. } = run;
        let (stderr, relay) = StderrRelay::spawn(stderr, &word, NO_WORDS)
            .map_err(|source| StartError::Spawn { path: self.program().into(), source })?;
        let (run_state, was_cut) = (Arc::new(RunState::new()), Arc::<AtomicBool>::default());
        let guarded = Guarded {
            launcher: self.clone(),
            group,
            namespace,
            name,
            grace: spec.bounds.grace,
            run_state: Arc::clone(&run_state),
            relay: Arc::clone(&relay),
            was_cut: Arc::clone(&was_cut),
        };
        let requests = guard(guarded, watchdog);
        // A machine starts neither jobs nor launchers.
        let Some(front) = control.into_machine() else { return Err(StartError::NoCommand) };
        // From here on dropping it ends the group.
        let control = LauncherControl {
            launcher: self.program(),
            front,
            group,
            relay: Arc::clone(&relay),
            run_state,
            requests,
            was_cut,
            signalled: AtomicBool::new(false),
            exit: None,
            holding,
        };
        let answer = match is_sent {
            true => timeout(START_BOUND, stdout.first(ANSWER_BYTES)).await.ok().and_then(Result::ok),
            false => None,
        };
        self.check(spec, answer.as_deref().unwrap_or_default(), &relay).await?;
        Ok(Begun { stdin, stdout, stderr, control })
    }

    /// Evaluates the answer of the wrapper.
    async fn check(&self, spec: &RunSpec, answer: &[u8], relay: &StderrRelay) -> Result<(), StartError> {
        let command = || spec.argv.first().cloned().unwrap_or_default();
        let (launcher, server) = (self.program(), &self.config().server);
        match answer {
            b"=ok\n" => Ok(()),
            b"=nf\n" => {
                let searched = if command().contains('/') { "the files" } else { "the PATH" };
                Err(StartError::NotFound { command: command(), searched: format!("{searched} of `{server}`") })
            }
            b"=nx\n" => Err(StartError::NotExecutable { path: PathBuf::from(command()) }),
            b"=cd\n" => {
                let source =
                    std::io::Error::new(std::io::ErrorKind::NotADirectory, format!("`cd` failed on `{server}`"));
                Err(StartError::BadWorkingDirectory { path: spec.cwd.clone().unwrap_or_default(), source })
            }
            b"=ng\n" => {
                let detail = "the folder of the watchdog is not there".to_owned();
                Err(LauncherError::Apart { launcher, detail }.into())
            }
            b"" => {
                let _ = timeout(LAST_WORDS, relay.ended()).await;
                let detail = shown(&relay.preamble()).map(|words| format!(": {words}")).unwrap_or_default();
                Err(LauncherError::CutOff { launcher, detail }.into())
            }
            other => {
                let detail = format!("it answered `{}`", String::from_utf8_lossy(other).escape_debug());
                Err(LauncherError::NoShell { launcher, detail }.into())
            }
        }
    }
}

/// Returns the line that runs the program. With a folder of the watchdog and a name, the group is put into the folder first,
/// which also shows that both calls of the launcher lead to the same place.
fn line(spec: &RunSpec, word: &str, guard: Option<(&(String, i32), &str)>) -> Result<String, StartError> {
    let prepared = Prepared::new(spec)?;
    let guard = guard.map(|((path, pid), name)| format!("mer_w {} {pid} {name}; ", quote(path))).unwrap_or_default();
    let (begin, end) = (marker_start(&begin_word(word)), marker_start(word));
    Ok(format!("{}{guard}echo \"{begin}0.\" >&2; mer_k={end}; mer_r{}\n", prepared.line, prepared.words(spec)))
}
