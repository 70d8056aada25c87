//! The watchdog beside a process: the script of SSH runs, behind a call of the launcher.

use std::time::Duration;

use super::{LauncherError, executor::LauncherExecutor, shell::Shell};
use crate::{
    StartError,
    ssh::{nonce, watchdog_script},
};

/// Maximum time between two heartbeats, however long `orphanAfter` is.
const SLOWEST_BEAT: Duration = Duration::from_secs(10);

/// A watchdog that has answered.
pub(super) struct Watchdog {
    shell: Shell,
    /// Its folder, and the process ID behind that, if it has one.
    pub(super) folder: Option<(String, i32)>,
    memory: Vec<u8>,
}

impl Watchdog {
    /// Calls the launcher, and waits until the script answers.
    pub(super) async fn open(launcher: &LauncherExecutor) -> Result<Self, StartError> {
        let mut watchdog = Self { shell: Shell::open(launcher, false).await?, folder: None, memory: Vec::new() };
        let script = watchdog_script(launcher.orphan_after(), &nonce());
        watchdog.shell.send(&script).await;
        loop {
            let Some(line) = watchdog.line().await else {
                return Err(LauncherError::NoInput { launcher: launcher.program() }.into());
            };
            if let Some(folder) = line.strip_prefix('r') {
                let folder = folder.trim().split_once(' ');
                watchdog.folder = folder.and_then(|(path, pid)| Some((path.to_owned(), pid.parse().ok()?)));
                return Ok(watchdog);
            }
        }
    }

    /// Returns its PID namespace.
    pub(super) fn namespace(&self) -> &str {
        &self.shell.namespace
    }

    /// Returns the time between two heartbeats.
    pub(super) fn beat_pause(launcher: &LauncherExecutor) -> Duration {
        (launcher.orphan_after() / 3).min(SLOWEST_BEAT)
    }

    /// Returns its next line; none at its end. Safe to cancel. What the launcher prints on stderr is dropped.
    pub(super) async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.memory.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.memory.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line).trim().to_owned());
            }
            let run = &mut self.shell.run;
            tokio::select! {
                biased;
                bytes = run.stdout.next() => self.memory.extend_from_slice(&bytes.ok().flatten()?),
                Ok(Some(_)) = run.stderr.next() => {}
            }
        }
    }

    /// Sends a line. It is lost where the pipe is full, which is so only after a long time without an answer.
    pub(super) fn send(&mut self, line: &str) {
        if let Err(error) = self.shell.run.stdin.try_write(line.as_bytes()) {
            tracing::debug!(%error, "a line to the watchdog of a launcher was not sent");
        }
    }
}
