//! What the local executor has to know about the program it is part of.

use std::path::PathBuf;

/// What the local executor has to know about the program it lives in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalConfig {
    /// This very binary: the watcher, and what a command `mer` means. `/proc/self/exe` survives an upgrade of the file.
    pub self_exe: PathBuf,
    /// The arguments with which `self_exe` calls [`crate::watcher_main`]. Empty: no watcher, and models outlive a
    /// kill -9 of this process; only for programs that are watched themselves.
    pub watcher_argv: Vec<String>,
}
