//! The files of a test's `sshd`, and its log.

use std::io::Write;
use std::path::{Path, PathBuf};

pub(super) fn log_file(folder: &Path) -> PathBuf {
    folder.join("sshd.log")
}

pub(super) fn home(folder: &Path) -> PathBuf {
    folder.join("home")
}

/// Prints the end of a server's log on stderr, when a test fails.
pub(crate) fn show_log(server: &str, log: &str) {
    let lines: Vec<&str> = log.lines().collect();
    let last = &lines[lines.len().saturating_sub(150)..];
    let text = format!("---- log of {server}, its last {} lines ----\n{}\n----\n", last.len(), last.join("\n"));
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
