//! Runs a short command where the commands of Slurm are, and collects its output.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use mer_core::{Bound, Bounds, Exit, Protocol, RunSpec, Tokens};
use tokio::sync::mpsc;

use super::executor::SlurmExecutor;
use crate::{Cancel, Input, Sinks, StartError, oneshot};

/// Bound on one command.
const COMMAND_BOUND: Bound = Bound::secs(20);
/// Maximum number of bytes of its output that are kept.
const MAX_BYTES: usize = 256 * 1024;

/// What a command printed.
pub(super) struct Captured {
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) succeeded: bool,
}

impl SlurmExecutor {
    /// Runs a command of Slurm.
    pub(super) async fn capture(&self, words: &[&str]) -> Result<Captured, StartError> {
        let spec = RunSpec {
            argv: words.iter().map(|word| (*word).to_owned()).collect(),
            cwd: None,
            env: BTreeMap::new(),
            protocol: Protocol::Oneshot,
            tokens: Tokens::defaults(Protocol::Oneshot),
            bounds: Bounds { timeout: COMMAND_BOUND, grace: Duration::from_secs(1), ..Bounds::default() },
            leave_children: false,
        };
        let run = Box::pin(self.start_beside(&spec, None)).await?;
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
        let run = oneshot(run, Input::Bytes(Bytes::new()), Sinks::stdout(stdout), &spec.bounds, &cancel);
        let (ended, stdout) = tokio::join!(run, collect);
        Ok(Captured {
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&ended.stderr_tail).into_owned(),
            succeeded: ended.exit == Some(Exit::Code(0)),
        })
    }
}
