//! Other users, as which root runs `mer`.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, lchown},
    path::{Path, PathBuf},
};

use super::TestEnv;

/// Changes the owner of a file, or of a folder with all its content, to a user and the group of the same number.
#[track_caller]
pub(crate) fn give(path: &Path, uid: u32) {
    lchown(path, Some(uid), Some(uid)).expect("an owner");
    if fs::symlink_metadata(path).expect("metadata").is_dir() {
        fs::read_dir(path).expect("a folder").for_each(|entry| give(&entry.expect("an entry").path(), uid));
    }
}

/// Returns a path of the binary that every user can run. It may be a hard link, so its owner must not be changed.
#[track_caller]
pub(crate) fn public_binary(env: &TestEnv) -> PathBuf {
    let folder = env.path("");
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("mode");
    let binary = folder.join("mer");
    if fs::hard_link(TestEnv::binary(), &binary).is_err() {
        fs::copy(TestEnv::binary(), &binary).expect("a copy");
    }
    binary
}
