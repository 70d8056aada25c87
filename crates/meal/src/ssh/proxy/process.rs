//! The child process that runs the line of a `ProxyCommand`.

use std::{
    collections::BTreeMap,
    io::Read,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    path::Path,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use mer_core::not_started;
use rustix::{
    net::{Shutdown, shutdown},
    process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid},
};

use crate::ssh::SshError;

/// How long it may take to exit once its pipes are closed, and then after TERM.
const EXIT_WAIT: Duration = Duration::from_millis(200);
const TERM_WAIT: Duration = Duration::from_millis(300);
/// How long its exit and the end of its stderr are waited for, to explain a failure.
const EXPLAIN_WAIT: Duration = Duration::from_millis(500);
/// Time between two checks.
const POLL: Duration = Duration::from_millis(5);
/// Maximum number of bytes of its stderr that are kept.
const MAX_STDERR: usize = 4096;

/// The process of a `ProxyCommand`, shared by all that may end it.
#[derive(Debug)]
pub(super) struct ChildProcess {
    /// Our end of its pipes, to close them for every holder at once.
    socket: OwnedFd,
    group: Pid,
    /// `None` once it was reaped.
    child: Mutex<Option<Child>>,
    /// Locked while it is being ended, so that a second caller waits until that is done.
    pub(super) ending: Mutex<()>,
    stderr: Arc<Mutex<StderrOutput>>,
}

/// What it printed on stderr.
#[derive(Debug, Default)]
struct StderrOutput {
    bytes: Vec<u8>,
    at_eof: bool,
}

impl ChildProcess {
    /// Starts `line` by `shell`, in a process group of its own. Returns the socket whose other end is its stdin and stdout.
    pub(super) fn start(
        host: &str,
        shell: &Path,
        line: &str,
        variables: &BTreeMap<String, String>,
    ) -> Result<(OwnedFd, Arc<Self>), SshError> {
        let failed = |what: &'static str| {
            let host = host.to_owned();
            move |source: std::io::Error| SshError::resources(host, what, source)
        };
        let (ours, theirs) = UnixStream::pair().map_err(failed("socket"))?;
        let (theirs, ours) = (OwnedFd::from(theirs), OwnedFd::from(ours));
        let output = theirs.try_clone().map_err(failed("socket"))?;
        let kept = ours.try_clone().map_err(failed("socket"))?;
        let mut start = Command::new(shell);
        start.arg("-c").arg(format!("exec {line}")).env_clear().envs(variables.iter());
        start.stdin(Stdio::from(theirs)).stdout(Stdio::from(output)).stderr(Stdio::piped()).process_group(0);
        let mut child = start.spawn().map_err(|error| SshError::ProxyCommand {
            host: host.to_owned(),
            detail: format!("`{}` cannot be run: {}", shell.display(), not_started(error)),
        })?;
        // `Command` still holds copies of the socket.
        drop(start);
        let output = Arc::new(Mutex::new(StderrOutput::default()));
        let stderr = child.stderr.take();
        let group = Pid::from_child(&child);
        let process = Arc::new(Self {
            socket: kept,
            group,
            child: Mutex::new(Some(child)),
            ending: Mutex::new(()),
            stderr: Arc::clone(&output),
        });
        if let Some(stderr) = stderr {
            let read = move || read_stderr(stderr, &output);
            let reader = thread::Builder::new().name("mer-proxy".to_owned()).spawn(read);
            reader.inspect_err(|_| process.end()).map_err(not_started).map_err(failed("thread"))?;
        }
        Ok((ours, process))
    }

    /// See [`super::ProxyProcess::explain`].
    pub(super) fn explain(&self, host: String, connect_timeout: Duration, late: bool) -> Option<SshError> {
        let deadline = Instant::now() + EXPLAIN_WAIT;
        let ended = loop {
            let ended = self.has_ended();
            if (ended && self.lock_stderr().at_eof) || Instant::now() >= deadline {
                break ended;
            }
            thread::sleep(POLL);
        };
        let words = String::from_utf8_lossy(&self.lock_stderr().bytes).into_owned();
        let words: Vec<_> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let words = words.iter().rev().take(3).rev().copied().collect::<Vec<_>>().join("; ");
        let printed = if words.is_empty() { String::new() } else { format!(": {}", words.escape_debug()) };
        let detail = if ended {
            let status = self.status().filter(|status| !status.success())?;
            format!("it ended with {status}{printed}")
        } else if late && !words.is_empty() {
            format!("no SSH server answered within {}{printed}", mer_core::Bound::After(connect_timeout))
        } else {
            return None;
        };
        Some(SshError::ProxyCommand { host, detail })
    }

    /// Reaps it and returns its status. To be called only once it has ended.
    fn status(&self) -> Option<ExitStatus> {
        // Its group is killed first: once the process is reaped, another group may get its number.
        let _ = kill_process_group(self.group, Signal::KILL);
        self.lock_child().take().and_then(|mut child| child.wait().ok())
    }

    /// Checks without reaping, so that its number stays its own.
    fn has_ended(&self) -> bool {
        if self.lock_child().is_none() {
            return true;
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(self.group), options), Ok(None))
    }

    /// Closes its pipes, then sends TERM and KILL if it does not exit. Returns when it is reaped.
    pub(super) fn end(&self) {
        let _ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        if self.lock_child().is_none() {
            return;
        }
        let _ = shutdown(&self.socket, Shutdown::Both);
        self.wait(EXIT_WAIT);
        let _ = kill_process_group(self.group, Signal::TERM);
        self.wait(TERM_WAIT);
        let _ = kill_process_group(self.group, Signal::KILL);
        if let Some(mut child) = self.lock_child().take() {
            let _ = child.wait();
        }
    }

    fn wait(&self, bound: Duration) {
        let deadline = Instant::now() + bound;
        while !self.has_ended() && Instant::now() < deadline {
            thread::sleep(POLL);
        }
    }

    pub(super) fn lock_child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_stderr(&self) -> MutexGuard<'_, StderrOutput> {
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads stderr to its end, so that the process never blocks on it. Keeps the first bytes.
fn read_stderr(mut stderr: ChildStderr, output: &Mutex<StderrOutput>) {
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut buffer) {
        tracing::debug!(stderr = %String::from_utf8_lossy(&buffer[..count]), "ProxyCommand");
        let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MAX_STDERR.saturating_sub(output.bytes.len()).min(count);
        output.bytes.extend_from_slice(&buffer[..room]);
    }
    output.lock().unwrap_or_else(PoisonError::into_inner).at_eof = true;
}
