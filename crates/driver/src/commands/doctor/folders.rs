//! Checks that folders can be written to, are closed to other users, and have room.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access, statvfs};

use super::Finding;
use crate::app::App;

/// Free bytes below which the engine and the journal may fail in the middle of their work.
const LITTLE: u64 = 64 << 20;

/// The data folder, the journal's, the REPL's, and that of weights.
pub(super) fn look(app: &App) -> Vec<Finding> {
    let settings = &app.settings;
    let mut findings = vec![data("data folder", &settings.data_dir)];
    let journal = app.runtime.database().journal_dir();
    // `mem://` keeps its own in a temporary folder.
    if !journal.starts_with(&settings.data_dir) {
        findings.push(data("journal folder", &journal));
    }
    let mut others = vec![("cache folder", &settings.cache_dir)];
    if settings.state_dir != settings.data_dir {
        others.insert(0, ("state folder", &settings.state_dir));
    }
    // Without them the REPL has no history and models get no weights, but nothing is lost.
    findings.extend(others.into_iter().map(|(check, folder)| match writable(check, folder) {
        Finding { remedy: Some(remedy), detail, check, .. } => Finding::warning(check, detail, remedy),
        fine => fine,
    }));
    findings
}

/// Checks a folder whose files may hold secrets of users.
fn data(check: &str, folder: &Path) -> Finding {
    let finding = writable(check, folder);
    if finding.remedy.is_some() {
        return finding;
    }
    let shown = folder.display();
    let near = existing(folder);
    if let Ok(disk) = statvfs(&near) {
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < LITTLE {
            let detail = format!("`{shown}`: {} MiB are free on its disk", free >> 20);
            return Finding::failed(check, detail, "make room, or set another `dataDir`");
        }
    }
    let Ok(meta) = fs::metadata(folder) else { return finding };
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let detail = format!("`{shown}` is open to other users (mode {mode:03o})");
        return Finding::warning(check, detail, format!("chmod 700 {shown}"));
    }
    let us = rustix::process::geteuid().as_raw();
    if meta.uid() != us && us != 0 {
        let detail = format!("`{shown}` belongs to user {}, and this is user {us}", meta.uid());
        return Finding::warning(check, detail, "let one user run MER there, or give each a `dataDir`");
    }
    finding
}

fn writable(check: &str, folder: &Path) -> Finding {
    let shown = folder.display();
    let near = existing(folder);
    let remedy = || format!("give this user the right to write to `{}`, or set another folder", near.display());
    if !near.is_dir() {
        return Finding::failed(
            check,
            format!("`{}` is no folder", near.display()),
            "remove it, or set another folder",
        );
    }
    match access(&near, Access::WRITE_OK | Access::EXEC_OK) {
        Err(error) => Finding::failed(check, format!("`{shown}` cannot be written to: {error}"), remedy()),
        Ok(()) if near == folder => Finding::ok(check, format!("`{shown}`")),
        Ok(()) => Finding::ok(check, format!("`{shown}` is made when it is needed")),
    }
}

/// The folder, or the nearest above it that exists.
fn existing(folder: &Path) -> PathBuf {
    let found = folder.ancestors().find(|path| path.symlink_metadata().is_ok());
    found.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}
