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
    let status = mer_files::read_given_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or_default().trim();
    let ignored = u64::from_str_radix(ignored, 16).is_ok_and(|mask| mask & CHILD != 0);
    ignored.then(|| signal(SignalKind::child())).transpose()
}
