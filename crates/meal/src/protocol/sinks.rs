//! Where a run's input comes from and where its output goes.

use std::{fmt, io, sync::Arc};

use bytes::Bytes;
use tokio::sync::mpsc;

/// The input of a request.
#[derive(Debug)]
pub enum Input {
    /// All of it.
    Bytes(Bytes),
    /// As it comes; `oneshot` only. An error ends the process: it has been sent a part of its input, and is never told that
    /// this was all of it.
    Stream(mpsc::Receiver<io::Result<Bytes>>),
}

/// Sees exactly those bytes of the input that the process was sent, in order: what a hash of the input needs. A model
/// may stop reading early.
pub type SentHook = Box<dyn FnMut(Bytes) + Send>;

/// Sees stderr as it comes. Must not block.
pub type StderrHook = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// Where a `oneshot` run's streams go.
pub struct Sinks {
    /// Its output, in chunks of at most 256 KiB. A receiver that is dropped means that the reader is gone.
    pub stdout: mpsc::Sender<Bytes>,
    /// What was sent, if somebody wants to know.
    pub sent: Option<SentHook>,
    /// Its diagnostics, if somebody wants to see them live; the tail is kept in any case.
    pub stderr: Option<StderrHook>,
}

impl Sinks {
    /// Output only.
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
