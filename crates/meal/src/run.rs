//! A process that runs, local or remote.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    time::{Duration, Instant},
};

use mer_core::RunSpec;

use crate::{Control, Pipe, StartError, StdinPipe};

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

/// Refuses what no process can be given. Where there is nothing to check it, it would be an invalid input, without a word
/// which.
pub(crate) fn check_strings(spec: &RunSpec) -> Result<(), StartError> {
    let bad = |name: &str| Err(StartError::BadString { name: name.escape_debug().to_string() });
    if let Some(arg) = spec.argv.iter().find(|arg| arg.contains('\0')) {
        return bad(arg);
    }
    let holds = |text: &OsStr, bytes: &[u8]| text.as_bytes().iter().any(|byte| bytes.contains(byte));
    match spec.env.iter().find(|(name, value)| name.is_empty() || holds(name, b"=\0") || holds(value, b"\0")) {
        Some((name, _)) => bad(&name.to_string_lossy()),
        None => Ok(()),
    }
}
