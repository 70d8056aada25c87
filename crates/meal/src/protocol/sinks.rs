//! Where a run's input comes from and where its output goes.

use std::{fmt, io, sync::Arc};

use bytes::Bytes;
use tokio::sync::mpsc;

/// The input of a request.
#[derive(Debug)]
pub enum Input {
    /// The whole input.
    Bytes(Bytes),
    /// A stream; `oneshot` only. An error ends the process: it has been sent a part of its input, and gets no end of
    /// file that would make it look complete.
    Stream(mpsc::Receiver<io::Result<Bytes>>),
}

/// Receives the bytes of the input that were written to the process, in order, to hash them. A model may stop reading
/// early.
pub type SentHook = Box<dyn FnMut(Bytes) + Send>;

/// Receives stderr as it comes. Must not block.
pub type StderrHook = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// Where a `oneshot` run's streams go.
pub struct Sinks {
    /// Its stdout, in chunks of at most 256 KiB. Dropping the receiver ends the run with `ReaderGone`.
    pub stdout: mpsc::Sender<Bytes>,
    /// Receives what was written to stdin.
    pub sent: Option<SentHook>,
    /// Receives stderr live. The tail is recorded in any case.
    pub stderr: Option<StderrHook>,
}

impl Sinks {
    /// Only stdout.
    #[must_use]
    pub const fn stdout(stdout: mpsc::Sender<Bytes>) -> Self {
        Self { stdout, sent: None, stderr: None }
    }
}

impl fmt::Debug for Sinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sinks").field("stdout", &self.stdout).finish_non_exhaustive()
    }
}
