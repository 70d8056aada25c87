//! The configuration of the local executor.

use std::path::PathBuf;

/// What the local executor has to know about the program that it is part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalConfig {
    /// The path of the running binary, for the watcher and for the command `mer`. `/proc/self/exe` survives an
    /// upgrade of the file.
    pub self_exe: PathBuf,
    /// The arguments with which `self_exe` calls [`crate::watcher_main`]. If empty, there is no watcher, and models
    /// outlive a kill -9 of this process: only for programs that are watched themselves.
    pub watcher_argv: Vec<String>,
}
