//! A running process, local or remote.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    time::{Duration, Instant},
};

use mer_core::RunSpec;

use crate::{Control, Pipe, StartError, StartedJob, StdinPipe};

/// A started process: its pipes and its control.
#[derive(Debug)]
pub struct Run {
    /// Its stdin. Dropping it is the end of file.
    pub stdin: StdinPipe,
    /// Its stdout.
    pub stdout: Pipe,
    /// Its stderr. Must be read, or the process may block on a full pipe.
    pub stderr: Pipe,
    /// Controls the process and its group. Dropping it kills them.
    pub control: Control,
    /// How long the start took, the watcher included.
    pub started_in: Duration,
    /// When it was started.
    pub started_at: Instant,
    /// The job that it is, on a cluster.
    pub job: Option<StartedJob>,
}

/// Refuses arguments and variables that cannot be passed to a process. The system would refuse them too, without
/// naming them.
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
