//! A process that runs, local or remote.

use std::time::{Duration, Instant};

use crate::{Control, Pipe, StdinPipe};

/// A started process: its pipes and the hold on it.
#[derive(Debug)]
pub struct Run {
    /// Its input; dropping it is the end of file.
    pub stdin: StdinPipe,
    /// Its output.
    pub stdout: Pipe,
    /// Its diagnostics. They must be read, or it may stop in the middle of a sentence.
    pub stderr: Pipe,
    /// The hold on the process and its group; dropping it kills them.
    pub control: Control,
    /// How long starting took, the watcher included.
    pub started_in: Duration,
    /// When it was started.
    pub started_at: Instant,
}
