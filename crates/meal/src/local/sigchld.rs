//! Handles an inherited ignored SIGCHLD.
//!
//! A parent that ignores SIGCHLD (`trap '' CHLD`, some service managers) passes that on. The kernel then reaps the
//! children of this process itself, and their exit statuses are lost. Any handler for the signal prevents that.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGCHLD's bit in the masks of `/proc`.
const CHILD: u64 = 1 << 16;

/// Installs a handler, only if the signal is ignored, because it costs time at the end of every child.
pub(super) fn heed() -> io::Result<Option<Signal>> {
    (ignored_signals() & CHILD != 0).then(|| signal(SignalKind::child())).transpose()
}

/// The signals that this process ignores, from `/proc`: bit 0 is signal 1. 0 without `/proc`.
#[must_use]
pub fn ignored_signals() -> u64 {
    let status = mer_files::read_external_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or_default();
    u64::from_str_radix(mask.trim(), 16).unwrap_or(0)
}
