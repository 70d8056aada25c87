//! A parent that ignores SIGCHLD.
//!
//! Whoever started us may have ignored it (`trap '' CHLD`, some service managers), and that is inherited: then the kernel
//! reaps our children itself, and nobody learns how they ended. A handler of any kind puts an end to that.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGCHLD's bit in the masks of `/proc`.
const CHILD: u64 = 1 << 16;

/// Installs a handler where the signal is ignored; only there, because it costs something at the end of every child.
pub(super) fn heed() -> io::Result<Option<Signal>> {
    (ignored_signals() & CHILD != 0).then(|| signal(SignalKind::child())).transpose()
}

/// The signals that this process ignores, as `/proc` shows them: bit 0 is signal 1. None where there is no `/proc`.
#[must_use]
pub fn ignored_signals() -> u64 {
    let status = mer_files::read_external_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or_default();
    u64::from_str_radix(mask.trim(), 16).unwrap_or(0)
}
