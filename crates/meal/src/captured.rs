//! Runs a short command, and collects its output.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use mer_core::{Bound, Bounds, Exit, Protocol, RunSpec, Tokens};
use tokio::sync::mpsc;

use crate::{Cancel, Input, Run, Sinks, oneshot};

/// Bound on one command.
const COMMAND_BOUND: Bound = Bound::secs(20);
/// Maximum number of bytes of its output that are kept.
const MAX_BYTES: usize = 256 * 1024;

/// What a command printed.
pub(crate) struct Captured {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// How it ended, if that was observed.
    pub(crate) exit: Option<Exit>,
    pub(crate) succeeded: bool,
}

/// Returns a short command without an environment of its own.
pub(crate) fn short_command(argv: Vec<String>) -> RunSpec {
    RunSpec {
        argv,
        cwd: None,
        env: BTreeMap::new(),
        protocol: Protocol::Oneshot,
        tokens: Tokens::defaults(Protocol::Oneshot),
        bounds: Bounds { timeout: COMMAND_BOUND, grace: Duration::from_secs(1), ..Bounds::default() },
        leave_children: false,
    }
}

/// Waits for the end of a command that was started, and returns what it printed.
pub(crate) async fn captured(run: Run, bounds: &Bounds) -> Captured {
    let (stdout, mut chunks) = mpsc::channel::<Bytes>(4);
    let collect = async {
        let mut all = Vec::new();
        while let Some(chunk) = chunks.recv().await {
            if all.len() < MAX_BYTES {
                all.extend_from_slice(&chunk);
            }
        }
        all
    };
    let cancel = Cancel::new();
    let run = oneshot(run, Input::Bytes(Bytes::new()), Sinks::stdout(stdout), bounds, &cancel);
    let (ended, stdout) = tokio::join!(run, collect);
    Captured {
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&ended.stderr_tail).into_owned(),
        exit: ended.exit,
        succeeded: ended.exit == Some(Exit::Code(0)),
    }
}
