//! A shell that the launcher started: the wrapper of SSH runs, which waits for its line.

use super::{LauncherError, control::LAST_WORDS, executor::LauncherExecutor};
use crate::{
    Pipe, Run, StartError,
    noise::{MOST_NOISE, in_one_line, rest_of},
    ssh::{greeting, nonce, wrapper},
};

/// Maximum number of characters of it in an error.
const MAX_SHOWN: usize = 300;

/// A shell in a process group of its own.
pub(super) struct Shell {
    pub(super) run: Run,
    /// Its process group.
    pub(super) group: i32,
    /// Its PID namespace, if the system has namespaces.
    pub(super) namespace: String,
}

impl Shell {
    /// Calls the launcher, and waits until its shell has told its group. `leaves` is whether what it starts in sessions of their
    /// own goes on after it.
    pub(super) async fn open(launcher: &LauncherExecutor, leaves: bool) -> Result<Self, StartError> {
        let word = nonce();
        let command = ["sh".to_owned(), "-c".to_owned(), wrapper(&word, true)];
        let mut run = launcher.call(command, leaves).await?;
        let mut seen = String::new();
        loop {
            match run.stdout.next().await {
                Ok(Some(bytes)) if seen.len() < MOST_NOISE => seen.push_str(&String::from_utf8_lossy(&bytes)),
                _ => {
                    let detail = words_of(&mut run.stderr, &seen).await;
                    let detail = detail.unwrap_or_else(|| "it ended without output".to_owned());
                    return Err(LauncherError::NoShell { launcher: launcher.program(), detail }.into());
                }
            }
            if let Some(greeting) = greeting(&seen, &word) {
                let no_group =
                    |why: &str| LauncherError::NoGroup { launcher: launcher.program(), detail: why.to_owned() };
                let group = greeting.signal_group().map_err(no_group)?;
                return Ok(Self { run, group, namespace: greeting.namespace });
            }
        }
    }

    /// Sends a line, which the shell reads. Returns false if it has ended.
    pub(super) async fn send(&mut self, line: &str) -> bool {
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            match self.run.stdin.write(rest).await {
                Ok(count @ 1..) => rest = &rest[count..],
                _ => return false,
            }
        }
        true
    }
}

/// Returns the end of what the launcher printed on both streams; none for nothing.
async fn words_of(stderr: &mut Pipe, seen: &str) -> Option<String> {
    shown(&format!("{seen}\n{}", rest_of(stderr, LAST_WORDS).await))
}

/// Returns the end of a text in one line; none if it is blank.
pub(super) fn shown(text: &str) -> Option<String> {
    in_one_line(text, MAX_SHOWN)
}
