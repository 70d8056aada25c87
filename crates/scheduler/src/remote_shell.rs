//! Runs a shell script on a server over its executor, as a run without a record.

use std::{collections::BTreeMap, ffi::OsString, time::Duration};

use bytes::Bytes;
use mer_core::{Bound, Bounds, Protocol, RunSpec, Tokens};
use mer_meal::{Cancel, Executor, Input, RequestEnd, Run, SentHook, Sinks, StartError, oneshot};
use tokio::sync::mpsc;

/// Maximum number of bytes of an answer that are kept. An answer is a path or a few words.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Maximum number of output chunks that wait to be read.
const QUEUE: usize = 4;

/// A script for `sh -c`.
pub(crate) struct RemoteScript<'a> {
    /// POSIX sh.
    pub(crate) text: &'a str,
    /// Name of the shell in its messages (`$0`).
    pub(crate) name: &'a str,
    /// `$1` and the following. No shell parses them.
    pub(crate) arguments: Vec<String>,
    /// Bound on the whole script.
    pub(crate) timeout: Bound,
    /// Time between TERM and KILL.
    pub(crate) grace: Duration,
}

/// A script that was started.
pub(crate) struct RunningScript {
    run: Run,
    bounds: Bounds,
}

impl RemoteScript<'_> {
    /// Starts the script, on this machine without an environment.
    pub(crate) async fn start(self, executor: &Executor) -> Result<RunningScript, StartError> {
        self.start_in(executor, BTreeMap::new()).await
    }

    /// Starts the script with these variables. What it leaves running in a session of its own goes on after it.
    pub(crate) async fn start_in(
        self,
        executor: &Executor,
        env: BTreeMap<OsString, OsString>,
    ) -> Result<RunningScript, StartError> {
        let words = ["sh", "-c", self.text, self.name].map(str::to_owned);
        let spec = RunSpec {
            argv: words.into_iter().chain(self.arguments).collect(),
            cwd: None,
            env,
            protocol: Protocol::Oneshot,
            tokens: Tokens::defaults(Protocol::Oneshot),
            bounds: Bounds { timeout: self.timeout, grace: self.grace, ..Bounds::default() },
            leave_children: true,
        };
        let run = executor.start(&spec).await?;
        Ok(RunningScript { run, bounds: spec.bounds })
    }
}

impl RunningScript {
    /// Sends no input, and waits for the end of the script while its output goes to `stdout`.
    pub(crate) async fn forward(self, stdout: mpsc::Sender<Bytes>, cancel: &Cancel) -> RequestEnd {
        oneshot(self.run, no_input(), Sinks::stdout(stdout), &self.bounds, cancel).await
    }

    /// Sends `input`, and waits for the end of the script. Returns it with the script's output, of which
    /// [`MAX_ANSWER_BYTES`] or a little more are kept.
    pub(crate) async fn answer(self, input: Input, sent: Option<SentHook>, cancel: &Cancel) -> (RequestEnd, Vec<u8>) {
        let (stdout, mut chunks) = mpsc::channel::<Bytes>(QUEUE);
        let collect = async {
            let mut all = Vec::new();
            while let Some(chunk) = chunks.recv().await {
                if all.len() < MAX_ANSWER_BYTES {
                    all.extend_from_slice(&chunk);
                }
            }
            all
        };
        let run = oneshot(self.run, input, Sinks { sent, ..Sinks::stdout(stdout) }, &self.bounds, cancel);
        tokio::join!(run, collect)
    }
}

/// Returns an empty input.
pub(crate) const fn no_input() -> Input {
    Input::Bytes(Bytes::new())
}

/// Returns the last line that a script wrote to stderr, if there is one that is not blank.
pub(crate) fn last_stderr_line(ended: &RequestEnd) -> Option<String> {
    let text = String::from_utf8_lossy(&ended.stderr_tail);
    text.lines().rfind(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned())
}
