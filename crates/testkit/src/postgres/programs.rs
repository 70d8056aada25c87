//! The programs of PostgreSQL, and the user that runs them.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::fs::{Gid, Uid, chown};
use tempfile::TempDir;

use crate::require;

/// The folder of the server's programs, of the newest version.
pub(super) fn programs() -> Option<PathBuf> {
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut installed: Vec<(u32, String)> = installed
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin").to_str()?.into()))
        })
        .collect();
    installed.sort_unstable_by(|one, other| other.cmp(one));
    let folders: Vec<&str> = installed.iter().map(|(_, folder)| folder.as_str()).collect();
    let server = require::program("postgres", &folders)?;
    // The PATH may name a link into the folder of the other programs.
    Some(server.canonicalize().ok()?.parent()?.to_path_buf())
}

/// For root, the user and group that the server runs as.
pub(super) fn other_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("`/etc/passwd` is readable");
    let fields = users.lines().find(|line| line.starts_with("postgres:")).expect("root needs a user `postgres`");
    let mut ids = fields.split(':').skip(2).map(|id| id.parse().expect("a number"));
    Some((ids.next().expect("a uid"), ids.next().expect("a gid")))
}

pub(super) fn as_server_user(program: &Path) -> Command {
    let mut command = match other_user() {
        None => Command::new(program),
        Some((uid, gid)) => {
            // `setpriv` execs the program, which keeps the pid.
            let mut command = Command::new("setpriv");
            command.args([format!("--reuid={uid}"), format!("--regid={gid}")]).arg("--clear-groups").arg(program);
            command
        }
    };
    // The server's user may have no access to the current folder. Variables for other servers are removed.
    command.current_dir("/").env("LC_ALL", "C");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("PG")) {
            command.env_remove(name);
        }
    }
    command
}

/// A folder that belongs to the server's user.
pub(super) fn folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("merpg").tempdir().expect("a temporary folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("chmod of a folder of ours");
    if let Some((uid, gid)) = other_user() {
        chown(folder.path(), Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).expect("chown, as root");
    }
    folder
}
